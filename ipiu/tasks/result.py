"""What a task returns: predictions of patients who were held out, and how good they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ipiu.assess.classification import classification
from ipiu.tasks.labelled import Labelled


@dataclass(frozen=True)
class Result:
    """Predictions and their table.

    Attributes
    ----------
    predictions
        one row a patient who was held out, by id: ``truth``, and the probability of each class under its name
    table
        metric -> value with its 95 % interval over those patients, as
        :func:`~ipiu.assess.classification.classification` gives it
    trained_on
        number of patients with labels that were used
    fitted
        what was fitted: a scikit-learn pipeline, or an adapted encoder with its head
    """

    predictions: pd.DataFrame
    table: pd.DataFrame
    trained_on: int
    fitted: Any = field(default=None, repr=False)

    @property
    def auroc(self) -> str:
        """AUROC with its interval, as it stands in a text."""
        row = self.table.loc["AUROC"]
        return f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})"

    def _repr_html_(self) -> str:
        head = f"<p>trained on {self.trained_on} patients, asked about {len(self.predictions)}</p>"
        return head + self.table.round(3).to_html(border=0)


def measured(split: Labelled, probability: np.ndarray, *, fitted: Any = None, seed: int = 0) -> Result:
    """The result of probabilities (patients held out, classes)."""
    names = [str(name) for name in split.classes]
    predictions = pd.DataFrame(probability, index=split.test.index, columns=names)
    predictions.insert(0, "truth", split.test)
    asked = probability[:, 1] if len(names) == 2 else probability
    table = classification(split.test.to_numpy(), asked, seed=seed)
    return Result(predictions, table, len(split.train), fitted)
