"""Patients: what a case and a cohort are, and the readers that open them from files."""
