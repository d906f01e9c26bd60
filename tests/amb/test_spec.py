import pytest
from hypothesis import given
from hypothesis import strategies as st

from amb.catalogue.problems import expand
from amb.errors import SpecError
from amb.run.plan import parse_seeds
from amb.spec import Spec, split_specs

names = st.from_regex(r"[a-z][a-z0-9_./-]{0,12}", fullmatch=True)
values = (
    st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True).filter(
        lambda word: word.lower() not in ("true", "false", "nan", "inf", "infinity")
    )
)
options = st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True), values, max_size=4)


@given(names, options)
def test_a_canonical_spec_reads_back_the_same(name: str, chosen: dict) -> None:
    """Values keep their types: 1, 1.0, true and the word `one` stay apart."""
    spec = Spec(name, tuple(sorted(chosen.items())))
    again = Spec.parse(str(spec))
    assert again == spec
    assert [type(v) for _, v in again.options] == [type(v) for _, v in spec.options]


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """No text ends in another exception than `SpecError`."""
    try:
        spec = Spec.parse(text)
    except SpecError:
        return
    assert Spec.parse(str(spec)) == spec


@given(st.lists(st.tuples(names, options).map(lambda p: str(Spec(p[0], tuple(p[1].items())))), max_size=5))
def test_lists_split_at_outer_commas_only(specs: list[str]) -> None:
    assert split_specs(",".join(specs)) == specs


def test_order_and_spaces_do_not_matter() -> None:
    assert str(Spec.parse(" tt-b[ lr=0.1 , k=50 ] ")) == "tt-b[k=50,lr=0.1]"


@pytest.mark.parametrize(
    "text", ["", "a b", "x[", "x]", "x[a]", "x[a=1,a=2]", "x[a=1]b", "x[[a=1]]", "x[a=$(rm)]", "[a=1]"]
)
def test_bad_specs_are_refused(text: str) -> None:
    with pytest.raises(SpecError):
        Spec.parse(text)


@pytest.mark.parametrize(
    "text", ["0..99999999999", "100001", "3..100003", "3..2", "9" * 5000, "1,-2", "", "٣", "1_0", "0,\x1c2"]
)
def test_seeds_that_make_no_sense_are_refused_before_they_are_unrolled(text: str) -> None:
    with pytest.raises(SpecError, match="seed"):
        parse_seeds(text)


def test_seeds_are_refused_as_they_were_written() -> None:
    with pytest.raises(SpecError, match=r"got '5\.\.3'"):
        parse_seeds("5..3")


@pytest.mark.parametrize("text", ["x[k=１]", "x[k=٣]"])
def test_digits_of_other_scripts_are_no_numbers(text: str) -> None:
    with pytest.raises(SpecError, match="bad value"):
        Spec.parse(text)


def test_an_underscore_makes_a_word() -> None:
    assert Spec.parse("x[k=1_0]").options == (("k", "1_0"),)


@given(st.integers(0, 999_000), st.integers(0, 50))
def test_a_range_of_seeds_is_what_it_says(first: int, more: int) -> None:
    assert parse_seeds(f"{first}..{first + more}") == tuple(range(first, first + more + 1))


@pytest.mark.parametrize("digits", [400, 5000])
def test_a_number_beyond_any_float_is_refused_or_a_word(digits: int) -> None:
    """An option that Python cannot calculate with is not a number."""
    text = f"a[x={'9' * digits}]"
    assert str(Spec.parse(str(Spec.parse(text)))) == text
    with pytest.raises(SpecError, match="unit"):
        expand(f"cifar10-sngan/snn-cnn/sn1/{'9' * digits}")
