"""The limits that keep the code easy to take over: what they are, and why, is in docs/development/architecture.md."""
