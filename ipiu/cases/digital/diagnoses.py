"""Codes of diagnoses and drugs: what is written of a disease, and what is given for it."""

from __future__ import annotations

from typing import NamedTuple

from ipiu.cases.digital.state import State

# ICD-10-CM codes and what they are called here
ICD = {
    "C34.11": "Cancer of the right upper lobe",
    "C34.12": "Cancer of the left upper lobe",
    "C34.2": "Cancer of the middle lobe",
    "C34.31": "Cancer of the right lower lobe",
    "C34.32": "Cancer of the left lower lobe",
    "C34.90": "Lung cancer, site not specified",
    "C71.9": "Malignant brain tumour",
    "C78.7": "Liver metastasis",
    "C79.31": "Brain metastasis",
    "E11.319": "Type 2 diabetes with retinopathy",
    "E11.9": "Type 2 diabetes",
    "E66.9": "Obesity",
    "H26.9": "Cataract",
    "I10": "Hypertension",
    "I11.0": "Hypertensive heart disease with heart failure",
    "I48.0": "Paroxysmal atrial fibrillation",
    "I48.91": "Atrial fibrillation",
    "I50.22": "Chronic systolic heart failure",
    "I50.23": "Acute on chronic systolic heart failure",
    "I50.32": "Chronic diastolic heart failure",
    "I50.33": "Acute on chronic diastolic heart failure",
    "I51.7": "Cardiomegaly or ventricular hypertrophy",
    "J06.9": "Upper respiratory infection",
    "J18.9": "Pneumonia",
    "J43.9": "Emphysema",
    "J44.1": "COPD with exacerbation",
    "J90": "Pleural effusion",
    "J93.9": "Pneumothorax",
    "K21.9": "Gastro-oesophageal reflux",
    "K76.89": "Liver lesion",
    "L30.9": "Dermatitis",
    "M17.9": "Osteoarthritis of the knee",
    "M54.5": "Low back pain",
    "M54.50": "Low back pain",
    "N18.3": "Chronic kidney disease, stage 3",
    "N18.30": "Chronic kidney disease, stage 3",
    "N18.4": "Chronic kidney disease, stage 4",
    "N18.5": "Chronic kidney disease, stage 5",
    "N20.0": "Kidney stone",
    "N23": "Renal colic",
    "N39.0": "Urinary tract infection",
    "R00.2": "Palpitations",
    "R05.9": "Cough",
    "R06.02": "Shortness of breath",
    "R07.9": "Chest pain",
    "R51.9": "Headache",
    "R91.1": "Lung nodule",
}
# over within weeks
ACUTE = frozenset({"I50.23", "I50.33", "J06.9", "J18.9", "J44.1", "J93.9", "M54.5", "M54.50", "N23", "N39.0"}) | {
    code for code in ICD if code[0] == "R" and code != "R91.1"
}
# codes that were split: the one before, and the first day of the one now (fiscal years 2021 and 2022)
SPLIT = {"N18.30": ("N18.3", "2020-10-01"), "M54.50": ("M54.5", "2021-10-01")}
_CANCER = {
    ("right", "upper lobe"): "C34.11",
    ("left", "upper lobe"): "C34.12",
    ("right", "middle lobe"): "C34.2",
    ("right", "lower lobe"): "C34.31",
    ("left", "lower lobe"): "C34.32",
}
_PLAIN = {
    "hypertension": "I10",
    "diabetes": "E11.9",
    "emphysema": "J43.9",
    "left ventricular hypertrophy": "I51.7",
    "cardiomegaly": "I51.7",
    "consolidation": "J18.9",
    "pneumothorax": "J93.9",
    "lung nodule": "R91.1",
    "pleural effusion": "J90",
    "kidney stone": "N20.0",
}
# what comes by chance: the chance of it over the years of a record at 60, and what is added a decade of age
CHANCE = {"K21.9": (0.12, 0.02), "M17.9": (0.12, 0.06), "L30.9": (0.06, 0.0), "H26.9": (0.10, 0.09)}


class Drug(NamedTuple):
    """A medicine: its ``name``, ``doses`` from small to large, their UCUM ``unit``, and disease -> chance of it.

    ``kind`` is what it does to the laboratory's tests, where it does anything.
    """

    name: str
    doses: tuple[float, ...]
    unit: str
    given: dict[str, float]
    kind: str = ""


# by ATC code; a dose is that of one intake
DRUGS = {
    "C09AA05": Drug("Ramipril", (2.5, 5, 10), "mg", {"hypertension": 0.6, "heart failure": 0.75}, "ACE inhibitor"),
    "C08CA01": Drug("Amlodipine", (5, 10), "mg", {"hypertension": 0.4}),
    "A10BA02": Drug("Metformin", (500, 850, 1000), "mg", {"diabetes": 0.8}),
    "A10BK03": Drug("Empagliflozin", (10, 25), "mg", {"diabetes": 0.2, "heart failure": 0.25}),
    "A10AE04": Drug("Insulin glargine", (10, 18, 28), "[IU]", {"diabetes": 0.15}),
    "C07AB07": Drug("Bisoprolol", (2.5, 5, 10), "mg", {"heart failure": 0.75, "atrial fibrillation": 0.6}),
    "C03CA01": Drug("Furosemide", (20, 40, 80), "mg", {"heart failure": 0.8}, "diuretic"),
    "C03DA01": Drug("Spironolactone", (25, 50), "mg", {"heart failure": 0.35}),
    "B01AF02": Drug("Apixaban", (5,), "mg", {"atrial fibrillation": 0.75}),
    "C10AA05": Drug("Atorvastatin", (20, 40, 80), "mg", {"diabetes": 0.6, "hypertension": 0.35}, "statin"),
    "R03BB04": Drug("Tiotropium", (18,), "ug", {"emphysema": 0.6}),
    "R03AC02": Drug("Salbutamol", (100, 200), "ug", {"emphysema": 0.8}),
}
# given once, at the visit where its cause is found
COURSES = {
    "J01CR02": Drug("Amoxicillin and clavulanic acid", (875,), "mg", {"J18.9": 0.7, "J44.1": 0.4}),
    "J01CA04": Drug("Amoxicillin", (500,), "mg", {"J06.9": 0.2}),
    "M01AE01": Drug("Ibuprofen", (400,), "mg", {"M54.50": 0.5, "N23": 0.5}),
    "J01XX01": Drug("Fosfomycin", (3,), "g", {"N39.0": 0.5}),
}


def codes_of(disease: str, state: State) -> tuple[str, ...]:
    """ICD-10-CM codes that are written when a disease is found."""
    if disease == "heart failure":
        codes = ("I50.22" if state.ejection_fraction <= 40 else "I50.32",)
        # by the coding guidelines heart failure with hypertension is one disease, and the kind of failure a second code
        return ("I11.0", *codes) if state.has("hypertension") else codes
    if disease == "atrial fibrillation":
        return ("I48.0" if state.severity[disease] < 0.5 else "I48.91",)
    if disease == "lung cancer":
        nodule = next((lesion for lesion in state.lesions if lesion.kind == "lung nodule"), None)
        return (_CANCER.get((nodule.side, nodule.place), "C34.90") if nodule else "C34.90",)
    if disease == "liver lesion":
        spread = any(lesion.kind == "liver lesion" and lesion.malignant for lesion in state.lesions)
        return ("C78.7" if spread else "K76.89",)
    if disease == "brain tumour":
        return ("C79.31" if state.has("lung cancer") else "C71.9",)
    return (_PLAIN[disease],)


def acute_failure(state: State) -> str:
    """The code of a heart failure that decompensates."""
    return "I50.23" if state.ejection_fraction <= 40 else "I50.33"


def kidney_stage(egfr: float) -> str | None:
    """The code of chronic kidney disease, None above stage 3."""
    if egfr >= 60:
        return None
    return "N18.30" if egfr >= 30 else "N18.4" if egfr >= 15 else "N18.5"
