"""What one does with a model and a cohort: probe, fine-tune, adapt with LoRA, show examples, look up similar cases.

Each function takes a model and a cohort, and returns predictions and a table with intervals over patients.
"""
