"""What a study asks for: sheet, config, phenotypes and gene sets; opens no file of cells."""
