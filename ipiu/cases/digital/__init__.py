"""Digital patients: one latent state drives anatomy, images, report, record, signals, expression and outcome."""
