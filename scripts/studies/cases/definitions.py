"""The cases of docs/cases.md: their data, and the options that a user would give."""

from __future__ import annotations

from dataclasses import dataclass, field

from scripts.studies.cases.example_data import DATA, Data


@dataclass(frozen=True)
class Case:
    """A case.

    Attributes:
        title: Its heading on the page.
        text: What the data are and how they are split, for the page.
        data: How they are written.
        options: Options of `nas-env search` besides those that all cases share.
        images: Whether a support vector classifier on the pixels is fitted for comparison. For
            tables, `nas-env search` fits models of scikit-learn itself.
    """

    title: str
    text: str
    data: Data
    options: tuple[str, ...] = field(default_factory=tuple)
    images: bool = False


MAE = ("--metric", "mae")
CASES = {
    "digits": Case(
        "Digits",
        "1,797 handwritten digits of 8x8 pixels (scikit-learn), as PNG images in a folder for each "
        "class; split 60/20/20 by class.",
        DATA["digits"],
        images=True,
    ),
    "mnist-15k": Case(
        "MNIST-15k",
        "15,000 handwritten digits of 28x28 pixels (MNIST), as arrays in an `.npz` file: 12,000 of "
        "the official training images, a fifth of which becomes the validation split, and 3,000 of "
        "the official test images. A network may have at most 50,000 parameters.",
        DATA["mnist-15k"],
        ("--max-params", "50000"),
        images=True,
    ),
    "photographs": Case(
        "Photographs",
        "12,000 photographs of 32x32 pixels in colour (CIFAR-10, compressed again as JPEG, so "
        "results are not comparable with published ones), as JPEG images in folders by split and "
        "class: 10,000 training images, a fifth of which becomes the validation split, and 2,000 "
        "test images.",
        DATA["photographs"],
        images=True,
    ),
    "adult": Case(
        "Adult",
        "48,842 rows of the census of 1994 (UCI Adult) with 6 columns of numbers and 8 of "
        "categories, as a Parquet file: is the income above 50,000 dollars? Official split: "
        "32,561 training rows, a fifth of which becomes the validation split, and 16,281 test "
        "rows.",
        DATA["adult"],
        ("--target", "income_over_50k"),
    ),
    "california-housing": Case(
        "California housing",
        "20,640 districts with 8 columns of numbers and one of categories, as a Parquet file: the "
        "median house value in dollars, capped at 500,001. 16,512 training rows, of which a part "
        "becomes the validation split, and 4,128 test rows.",
        DATA["california-housing"],
        ("--target", "median_house_value", *MAE),
    ),
    "diabetes": Case(
        "Diabetes",
        "442 patients with 10 columns of numbers (scikit-learn), as a CSV file: the progression of "
        "the disease after one year, from 25 to 346; split 60/20/20.",
        DATA["diabetes"],
        ("--target", "target", *MAE),
    ),
}
