"""Real files of real machines go through upload and assessment, and their known defects are found."""

from exchange.appraisal import service


def assess(market, folder):
    firm = market.exchange.firm("Maker")
    dataset = market.dataset(firm)
    files = sorted(path for path in folder.iterdir() if path.suffix == ".csv")
    for number, path in enumerate(files, 1):
        version = market.upload(firm, dataset, path.read_bytes(), path.name, part=number, parts=len(files))
    assert market.version(version).state == "ready"
    with market.exchange.operations.database.reading() as session:
        report = service.quality_of(session, version).report
    measured = {item["indicator"]: item for item in report["measurements"]}
    found = {(item["code"], item["column"]): item["count"] for item in report["findings"]}
    return market.version(version), report, measured, found


def test_the_gas_turbine_years_hold_seven_duplicate_rows(embedded, real_data, nothing):
    version, report, measured, found = assess(embedded, real_data / "gas_turbine")
    assert (report["rows"], report["columns"], len(version.files)) == (36_733, 11, 5)
    assert found["duplicate_rows", None] == 7
    assert (measured["duplication_rate"]["numerator"], measured["duplication_rate"]["denominator"]) == (7, 36_733)
    filled = measured["element_completeness"]
    assert (filled["numerator"], filled["denominator"]) == (404_063, 404_063)
    assert version.findings == [], "sensor data holds nothing personal"
    assert embedded.leftovers() == nothing


def test_the_steel_plant_goes_back_in_time_once_a_day(embedded, real_data):
    _, report, _, found = assess(embedded, real_data / "steel_energy")
    assert report["rows"] == 35_040
    assert [count for (code, _), count in found.items() if code == "backward_steps"] == [365]
    assert "repeated_times" not in {code for code, _ in found}


def test_the_machine_repeats_twelve_stamps_on_either_database(market, real_data):
    _, report, _, found = assess(market, real_data / "machine_temperature")
    assert report["rows"] == 22_695
    assert {count for (code, _), count in found.items() if code == "repeated_times"} == {12}
    assert {count for (code, _), count in found.items() if code == "backward_steps"} == {1}
