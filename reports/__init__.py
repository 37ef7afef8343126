"""What a person reads: dossiers, PDF reports, charts and the command line."""
