"""Closed forms, their symbolic derivation and raw simulation. Imports no torch, and neither of its sister packages."""
