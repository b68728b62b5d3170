"""What a study asks for: the sheet, the config, phenotypes and gene sets. No data file is opened."""
