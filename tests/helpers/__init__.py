"""What tests of several folders share: tiny models of real families, small cohorts and configs."""
