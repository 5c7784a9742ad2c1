"""The labels of a digital torso, and the Hounsfield units of its tissues."""

from __future__ import annotations

LABELS = {
    1: "subcutaneous fat", 2: "visceral fat", 3: "muscle", 4: "breast", 5: "spine", 6: "ribs", 7: "costal cartilage",
    8: "sternum", 9: "scapula", 10: "clavicle", 11: "humerus", 12: "pelvis", 13: "spinal canal",
    20: "right lung upper lobe", 21: "right lung middle lobe", 22: "right lung lower lobe",
    23: "left lung upper lobe", 24: "left lung lower lobe", 25: "trachea", 26: "bronchi", 27: "oesophagus",
    30: "heart muscle", 31: "left ventricle", 32: "right ventricle", 33: "left atrium", 34: "right atrium",
    35: "aorta", 36: "inferior vena cava", 37: "superior vena cava", 38: "pulmonary artery", 39: "pulmonary vein",
    40: "great vessels of the neck",
    50: "liver", 51: "spleen", 52: "right kidney", 53: "left kidney", 54: "stomach", 55: "bowel", 56: "gallbladder",
    57: "pancreas", 58: "right adrenal gland", 59: "left adrenal gland", 60: "portal vein",
    70: "pleural effusion right", 71: "pleural effusion left", 72: "pneumothorax right", 73: "pneumothorax left",
    74: "consolidation", 75: "lung nodule", 76: "liver lesion", 77: "kidney stone",
}  # fmt: skip
CODE = {name: code for code, name in LABELS.items()}
LUNGS = tuple(range(20, 25))


def lobe_code(side: str, place: str) -> int:
    """Label of a lobe, such as the ``"upper lobe"`` of the ``"left"`` lung."""
    return CODE[f"{side} lung {place}"]
