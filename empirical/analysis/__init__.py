"""What is read off finished records, with its uncertainty: agreement of the two scorers, calibration."""
