"""The words that records may use, and what each stands for."""

from __future__ import annotations

from types import MappingProxyType

# word -> (what people read, further words that a search should find it by)
CATEGORY = {
    "pretrained": ("pretrained models", ""),
    "vision": ("vision FMs", ""),
    "vision-language": ("vision-language FMs", "vlm multimodal image-text"),
    "multimodal": ("extended multi-modal FMs", "multi-modal omics signals records"),
}

MODALITY = {
    "ct": ("CT", "computed tomography"),
    "mri": ("MRI", "MR magnetic resonance"),
    "xray": ("X-ray", "radiograph radiography chest CXR"),
    "mammography": ("mammography", "breast mammogram"),
    "ultrasound": ("ultrasound", "echocardiography sonography echo"),
    "pet": ("PET", "positron emission nuclear"),
    "pathology": ("pathology", "histology histopathology whole-slide WSI H&E"),
    "microscopy": ("microscopy", "cell"),
    "fundus": ("fundus photography", "retina retinal eye ophthalmology"),
    "oct": ("OCT", "optical coherence tomography retina eye ophthalmology"),
    "dermoscopy": ("dermoscopy", "skin dermatology"),
    "photography": ("clinical photography", "photo skin"),
    "endoscopy": ("endoscopy", "surgery surgical laparoscopy colonoscopy video"),
    "multi": ("several kinds of images", "multimodal"),
    "text": ("text", "reports notes language"),
    "ehr": ("health records", "EHR electronic clinical tabular laboratory"),
    "ecg": ("ECG", "electrocardiogram heart signal"),
    "eeg": ("EEG", "electroencephalogram brain sleep polysomnography signal"),
    "ppg": ("PPG", "photoplethysmography pulse wearable signal"),
    "transcriptomics": ("gene expression", "RNA transcriptome single-cell bioinformatics omics"),
    "genomics": ("genomics", "DNA genome sequencing mutation bioinformatics omics"),
    "protein": ("proteins", "proteomics structure sequence bioinformatics omics"),
}

DIMENSIONALITY = {
    "2d": ("2D", "slice picture planar"),
    "3d": ("3D", "volume volumetric"),
    "video": ("video", "2D+t cine frames"),
}

TASK = {
    "classification": ("classification", "diagnosis grading"),
    "detection": ("detection", "localisation localization bounding boxes"),
    "segmentation": ("segmentation", "segment masks contour outline"),
    "registration": ("registration", "alignment"),
    "reconstruction": ("reconstruction", "denoising super-resolution"),
    "generation": ("generation", "synthesis synthetic diffusion"),
    "representation": ("representation", "embedding encoder features self-supervised"),
    "retrieval": ("retrieval", "search"),
    "report-generation": ("report generation", "captioning"),
    "question-answering": ("question answering", "VQA QA"),
    "dialogue": ("dialogue", "chat assistant conversation"),
    "prognosis": ("prognosis prediction", "survival outcome risk"),
}

PROMPT = {
    "point": ("point", "click"),
    "box": ("bounding box", "bbox"),
    "mask": ("mask", ""),
    "scribble": ("scribble", "stroke"),
    "text": ("text", "words language"),
    "class": ("class name from a list", "label"),
    "example": ("example images with masks", "in-context few-shot support"),
}

ACCESS = {
    "open": ("open download", "free public"),
    "registration": ("after signing in and accepting terms", "gated agreement"),
    "request": ("on request, decided case by case", "application"),
    "credentialed": ("after training and a data use agreement", "physionet"),
    "closed": ("not released", "proprietary api"),
}

# what a data set holds: kinds of data as the survey groups them, then the truth that comes with them
HOLDS = {
    "image": ("images", "imaging pictures scans"),
    "text": ("reports, captions or notes", "report"),
    "ehr": ("health records", "EHR clinical tabular"),
    "signal": ("physiological signals", "waveform ECG EEG PPG"),
    "omics": ("bioinformatics", "genes expression genomics"),
    "labels": ("class labels", "diagnosis annotation"),
    "masks": ("segmentation masks", "contours annotation"),
    "boxes": ("boxes or points", "bounding landmarks annotation"),
    "answers": ("questions with answers", "VQA QA"),
    "outcome": ("what became of the patient, with its time", "survival mortality prognosis follow-up"),
}

SCALE_UNIT = {
    "images": ("images", ""),
    "volumes": ("volumes", ""),
    "slides": ("whole-slide images", ""),
    "tiles": ("tiles or patches", ""),
    "clips": ("video clips", ""),
    "frames": ("video frames", ""),
    "masks": ("masks", ""),
    "pairs": ("image-text pairs", ""),
    "samples": ("instruction samples", ""),
    "patients": ("patients", ""),
    "recordings": ("signal recordings", ""),
    "hours": ("hours of signal", ""),
    "cells": ("cells", ""),
    "sequences": ("sequences", ""),
    "documents": ("documents", ""),
    "tokens": ("tokens", ""),
}

SITUATION = {
    "small structures": ("structures of a few voxels", "lesion nodule tiny mm small"),
    "many structures": ("several separate structures in one image", "lesions instances multifocal"),
    "thin structures": ("thin or tubular structures", "vessel vessels tree centreline"),
    "empty masks": ("images where the structure is absent", "negative controls absence"),
    "boundary errors": ("the outline matters more than the volume", "surface distance radiotherapy contour"),
    "imprecise boundaries": ("the true outline is uncertain", "rater variability fuzzy"),
    "outliers": ("a few gross misses", "spurious islands"),
    "imbalance": ("rare positives", "prevalence class imbalance rare disease"),
    "prevalence shift": ("another prevalence at the place of use", "site deployment"),
    "miscalibration": ("scores are used as probabilities", "calibration risk"),
    "ordered classes": ("grades and stages", "ordinal"),
    "ties": ("equal scores", "tied"),
    "censoring": ("patients lost from sight before the event", "survival follow-up"),
    "unequal costs": ("a miss costs more than a false alarm", "decision threshold utility"),
    "clustered data": ("several images of one patient", "patients dependence"),
    "paraphrase": ("the same meaning in other words", "synonym wording text report"),
    "hallucination": ("statements that the image does not support", "invented findings"),
    "small samples": ("few test cases", "n"),
}

VOCABULARIES = MappingProxyType(
    {
        "category": CATEGORY,
        "modality": MODALITY,
        "dimensionality": DIMENSIONALITY,
        "task": TASK,
        "prompt": PROMPT,
        "access": ACCESS,
        "holds": HOLDS,
        "unit": SCALE_UNIT,
        "situation": SITUATION,
    }
)
