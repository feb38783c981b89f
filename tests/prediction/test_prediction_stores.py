"""Films of an object store: the bytes of a run from disk, whatever the store does meanwhile."""

from __future__ import annotations

import io
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from tests.prediction.conftest import grey_pixels, write_dicom
from tests.sources.store_servers import (
    BUCKET,
    KEY,
    SECRET,
    Misbehaving,
    credentials,
    get,
    moto,
    put,
    put_folder,
)
from xraybatch.prediction.breaker import IN_A_ROW

pytest.importorskip("obstore", reason="obstore is not installed: pip install 'xraybatch[cloud]'")

ODD = ["a b.png", "ü/ö.png", "a%20b.png", "a#b?.png", "=1+2.png", "x/NOSUFFIX", "x/notes.txt"]


def png(seed):
    rng = np.random.default_rng(seed)
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (40, 32), np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Films, films that fail, names that are awkward, and what is no film."""
    folder = tmp_path_factory.mktemp("films")
    for i in range(40):
        (folder / f"s{i % 3}").mkdir(exist_ok=True)
        (folder / f"s{i % 3}" / f"{i}.png").write_bytes(png(i))
    for i, name in enumerate(ODD):
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"words" if name.endswith(".txt") else png(100 + i))
    write_dicom(folder / "frames.dcm", grey_pixels(3, 5))
    write_dicom(folder / "NODICOMSUFFIX", grey_pixels(4))
    (folder / "short.png").write_bytes(png(1)[:200])
    (folder / "empty.png").write_bytes(b"")
    (folder / ".hidden.png").write_bytes(png(2))
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "x.png").write_bytes(png(2))
    return folder


@pytest.fixture(scope="module")
def address(folder):
    with moto() as address:
        put_folder(address, folder, "in/")
        yield address


@pytest.fixture
def s3(address, monkeypatch):
    credentials(monkeypatch, address)
    return f"s3://{BUCKET}/in/"


def test_the_table_is_that_of_the_folder(predict, s3, folder):
    for more in ([], ["--frames", "all", "--tags", "Modality"]):
        want = predict(folder, *more, "--overwrite", out="disk.csv")
        assert want.code == 0, want.said
        for workers in (0, 2):
            found = predict(s3, *more, "--workers", workers, "--overwrite", out="store.csv")
            assert found.code == 0, found.said
            assert found.out.read_bytes() == want.out.read_bytes()
        assert found.record["skipped"]["not a film"] == want.record["skipped"]["not a film"] == 1
        assert found.record["skipped"]["hidden"] == 1
        assert found.record["seconds"]["fetching"] > 0
        assert "fetching" not in want.record["seconds"]
    assert {"./=1+2.png", "x/NOSUFFIX", "NODICOMSUFFIX", "ü/ö.png"} <= set(found.status)


def test_several_arguments_stand_in_front_of_their_films(predict, s3, tmp_path):
    listed = tmp_path / "films.txt"
    listed.write_text(f"{s3}s0/0.png\n{s3}nothing.png\n")
    found = predict(f"{s3}s1", f"@{listed}")
    assert found.code == 0, found.said
    assert found.status[f"{s3}s0/0.png"] == "ok"
    assert found.status[f"{s3}nothing.png"] == "missing"
    assert found.status[f"{s3}s1/1.png"] == "ok"
    alone = predict(f"{s3}s0/0.png", out="alone.csv")
    assert alone.status == {f"{s3}s0/0.png": "ok"}


def test_where_nothing_is_one_line_says_so(predict, s3):
    for source, words in (
        (f"s3://{BUCKET}/nothing/", "nothing at"),
        ("s3://nowhere/x/", "no s3://nowhere/x/"),
        ("s3:///x", "names a bucket"),
        (f"s3://{KEY}:{SECRET}@{BUCKET}/x", "no user or password"),
        ("ftp://host/x", "not read from ftp://"),
        ("http://example.org/film.png", "without encryption"),
    ):
        done = predict(source)
        assert done.code in (2, 3), source
        assert words in done.said, done.said
        assert "Traceback" not in done.said
        assert SECRET not in done.said


def test_archives_are_said_not_to_be_read(predict, s3, address, folder, tmp_path):
    shutil.make_archive(str(tmp_path / "films"), "zip", folder / "s0")
    put(address, "zip/films.zip", (tmp_path / "films.zip").read_bytes())
    put(address, "zip/a.png", png(1))
    below = predict(f"s3://{BUCKET}/zip/")
    assert list(below.status) == ["a.png"]
    assert any("ZIP archive in a store" in reason for reason in below.record["skipped"])
    named = predict(f"s3://{BUCKET}/zip/films.zip", out="z.csv")
    assert named.code == 3
    assert "not read from a store" in named.said


def test_results_go_into_the_store(predict, s3, address, folder, tmp_path):
    out = f"s3://{BUCKET}/out/results.csv"
    want = predict(folder / "s0", out="disk.csv")
    assert "Name it with --job" in predict(f"{s3}s0/", out=out).said
    assert "A shard is written" in predict("--shard", "0/2", f"{s3}s0/", out=out).said
    job = ("--job", tmp_path / "r.job")
    done = predict(f"{s3}s0/", *job, out=out)
    assert done.code == 0, done.said
    assert get(address, "out/results.csv") == want.out.read_bytes()
    assert b'"results_sha256"' in get(address, "out/results.csv.run.json")
    assert not (tmp_path / "r.job.results").exists()
    assert "not overwritten" in predict(f"{s3}s1/", *job, out=out).said
    assert get(address, "out/results.csv") == want.out.read_bytes()
    again = predict(f"{s3}s1/", *job, "--overwrite", out=out)
    assert again.code == 0, again.said
    assert get(address, "out/results.csv") != want.out.read_bytes()


def test_the_secret_is_in_no_file(predict, s3, tmp_path):
    done = predict(s3, "--log-file", "run.log", "--where", "Modality=CR", "--json")
    assert done.code in (0, 3)
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {"r.csv", "r.csv.job", "r.csv.run.json", "run.log"} <= {file.name for file in written}
    for file in written:
        content = file.read_bytes()
        assert SECRET.encode() not in content, file
        assert KEY.encode() not in content, file
    assert SECRET not in done.said


def test_a_dry_run_looks_at_some_films(predict, s3):
    done = predict(s3, "--dry-run", "--json")
    assert done.code == 0, done.said
    assert '"films": 50' in done.said
    assert '"looked_at": 48' in done.said
    assert '"ok": 4' in done.said
    assert not done.out.exists()


# ── a store that misbehaves ──────────────────────────────────────────────────────────────────────

QUICK = ("--io-timeout", "2", "--io-retries", "2")


@pytest.fixture
def bad(monkeypatch):
    names = ["403", "404", "503", "twice", "cut", "drip", "length", "etag"]
    objects = {f"in/{name}.png": png(i) for i, name in enumerate(names)}
    objects |= {f"in/good{i}.png": png(50 + i) for i in range(8)}
    with Misbehaving(objects) as store:
        credentials(monkeypatch, store.address)
        yield store


def test_a_run_that_was_killed_goes_on(predict, folder, tiny_model, tmp_path, monkeypatch):
    want = predict(folder, out="disk.csv")
    objects = {
        f"in/{file.relative_to(folder).as_posix()}": file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }
    command = [sys.executable, "-m", "xraybatch", "predict", f"s3://{BUCKET}/in/", "--out", "r.csv"]
    command += ["--model", str(tiny_model), "--device", "cpu", "--io-threads", "1"]
    command += ["--workers", "1"]
    with Misbehaving(objects, latency=0.15) as store:
        credentials(monkeypatch, store.address)
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as run:
            end = time.monotonic() + 90
            while sum(map(store.asked.get, store.asked)) < 45 and time.monotonic() < end:
                time.sleep(0.01)
            run.send_signal(signal.SIGKILL)
        before = dict(store.asked)
        store.latency = 0.0
        done = predict(f"s3://{BUCKET}/in/")
        assert done.code == 0, done.said
        assert "Going on" in done.said
        assert done.out.read_bytes() == want.out.read_bytes()
        assert any(store.asked[key] == count for key, count in before.items() if ".png" in key)


def test_results_that_the_store_did_not_take_are_put_by_the_same_command(predict, bad, tmp_path):
    out, job = f"s3://{BUCKET}/out/r.csv", ("--job", tmp_path / "r.job")
    bad.takes_nothing = True
    done = predict(f"s3://{BUCKET}/in/", *job, *QUICK, out=out)
    assert done.code == 3
    assert "503 SlowDown" in done.said
    assert "out/r.csv" not in bad.objects
    asked = bad.asked["in/good0.png"]
    bad.takes_nothing = False
    again = predict(f"s3://{BUCKET}/in/", *job, *QUICK, out=out)
    assert again.code == 0, again.said
    assert bad.asked["in/good0.png"] == asked
    assert b"good0.png,ok" in bad.objects["out/r.csv"]
    assert not (tmp_path / "r.job.results").exists()


def test_an_endpoint_without_a_scheme_is_one_line(predict, bad, monkeypatch):
    done = predict(f"s3://{BUCKET}/in/", "--endpoint-url", "127.0.0.1:9")
    assert done.code == 2
    assert "no address of a store" in done.said
    assert "panic" not in done.said.lower()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:9")
    assert predict(f"s3://{BUCKET}/in/").code == 2


def test_results_that_wait_are_those_of_the_same_films_alone(predict, bad, tmp_path):
    out, job = f"s3://{BUCKET}/out/r.csv", ("--job", tmp_path / "r.job")
    bad.takes_nothing = True
    assert predict(f"s3://{BUCKET}/in/", *job, *QUICK, out=out).code == 3
    bad.takes_nothing = False
    bad.objects["in/new.png"] = png(99)
    done = predict(f"s3://{BUCKET}/in/", *job, *QUICK, out=out)
    assert done.code == 0, done.said
    assert b"new.png,ok" in bad.objects["out/r.csv"]


def test_a_folder_that_is_called_like_ours_keeps_what_is_in_it(predict, bad, tmp_path):
    own = tmp_path / "r.job.results" / "notes.txt"
    own.parent.mkdir()
    own.write_text("mine")
    out, job = f"s3://{BUCKET}/out/r.csv", ("--job", tmp_path / "r.job")
    done = predict(f"s3://{BUCKET}/in/", *job, *QUICK, out=out)
    assert done.code == 0, done.said
    assert [path.name for path in own.parent.iterdir()] == ["notes.txt"]


def test_a_table_that_came_meanwhile_keeps_its_record(predict, bad, tmp_path):
    theirs = dict.fromkeys(("out/r.csv", "out/r.csv.run.json"), b"theirs")

    class Meanwhile(dict):
        def get(self, key):
            if key == "in/good0.png":
                self.update(theirs)
            return super().get(key)

    bad.objects = Meanwhile(bad.objects)
    out, job = f"s3://{BUCKET}/out/r.csv", ("--job", tmp_path / "r.job")
    done = predict(f"s3://{BUCKET}/in/", *job, *QUICK, out=out)
    assert done.code == 3
    assert "not overwritten" in done.said
    assert {key: bad.objects[key] for key in theirs} == theirs


def test_a_profile_is_read_where_boto3_is(predict, bad, tmp_path, monkeypatch):
    pytest.importorskip("boto3", reason="boto3 is not installed")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    profile = f"[radiology]\naws_access_key_id = PROFILEKEY\naws_secret_access_key = {SECRET}\n"
    (tmp_path / "credentials").write_text(profile)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "radiology")
    done = predict(f"s3://{BUCKET}/in/", *QUICK)
    assert done.code == 0, done.said
    assert done.status["good0.png"] == "ok"
    assert all("PROFILEKEY" in headers for headers in bad.headers)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    done = predict(f"s3://{BUCKET}/in/", *QUICK, out="other.csv")
    assert done.code == 3
    assert "AWS profile cannot be used" in done.said


def test_google_s_stores_are_read_alike(predict, bad):
    more = ("--no-sign-request", "--endpoint-url", bad.address, *QUICK)
    done = predict(f"gs://{BUCKET}/in/", *more)
    assert done.code == 0, done.said
    assert done.status["good0.png"] == "ok"
    assert done.status["403.png"] == "forbidden"
    assert done.status["503.png"] == "unavailable"


@pytest.mark.parametrize("workers", [0, 2])
def test_each_film_gets_the_status_of_what_happened_to_it(predict, bad, workers):
    done = predict(f"s3://{BUCKET}/in/", "--workers", workers, *QUICK)
    assert done.code == 0, done.said
    wrong = {name: status for name, status in done.status.items() if status != "ok"}
    assert wrong == {
        "403.png": "forbidden",
        "404.png": "missing",
        "503.png": "unavailable",
        "cut.png": "unavailable",
        "drip.png": "unavailable",
        "length.png": "unreadable",
        "etag.png": "unreadable",
    }
    said = {row["path"]: row["error"] for row in done.rows}
    assert "ListBucket" in said["403.png"]
    assert "503 SlowDown" in said["503.png"]
    assert "changed in the store since it was listed" in said["length.png"]
    assert said["length.png"] == said["etag.png"]
    assert not any(SECRET in sentence or "127.0.0.1" in sentence for sentence in said.values())
    assert bad.asked["in/twice.png"] == 3


def test_what_was_unavailable_is_tried_again(predict, bad):
    assert predict(f"s3://{BUCKET}/in/", *QUICK).status["503.png"] == "unavailable"
    asked = dict(bad.asked)
    again = predict(f"s3://{BUCKET}/in/", "--retry-failed", *QUICK)
    assert again.code == 0, again.said
    assert bad.asked["in/good0.png"] == asked["in/good0.png"]
    assert bad.asked["in/503.png"] > asked["in/503.png"]


def test_expired_credentials_stop_the_run(predict, bad):
    for i in range(40):
        bad.objects[f"in/a{i:02}.png"] = png(i)
    bad.objects["in/token.png"], bad.expired = png(5), True
    done = predict(f"s3://{BUCKET}/in/", *QUICK)
    assert done.code == 3
    assert "credentials have expired (ExpiredToken)" in done.said
    assert not done.out.exists()
    asked = bad.asked["in/a00.png"]
    bad.expired = False
    goes_on = predict(f"s3://{BUCKET}/in/", *QUICK)
    assert goes_on.code == 0, goes_on.said
    assert "Going on" in goes_on.said
    assert bad.asked["in/a00.png"] == asked
    assert goes_on.status["a00.png"] == goes_on.status["token.png"] == "ok"


def test_a_store_that_only_fails_stops_the_run(predict, bad):
    for i in range(3 * IN_A_ROW):
        bad.objects[f"in/z{i:03}.png"] = png(i)
    bad.down = True
    done = predict(f"s3://{BUCKET}/in/", "--io-retries", "0", "--io-timeout", "5")
    assert done.code == 3
    assert f"{IN_A_ROW} films in a row could not be fetched" in done.said
    assert not done.out.exists()
    bad.down = False
    goes_on = predict(f"s3://{BUCKET}/in/", *QUICK)
    assert goes_on.code == 0, goes_on.said
    assert [goes_on.status[f"z{i:03}.png"] for i in range(3 * IN_A_ROW)] == ["ok"] * 3 * IN_A_ROW


def test_public_data_is_asked_without_credentials(predict, bad, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    more = ("--no-sign-request", "--endpoint-url", bad.address, *QUICK)
    done = predict(f"s3://{BUCKET}/in/", *more)
    assert done.code == 0, done.said
    assert done.status["good0.png"] == "ok"
    assert not any("Authorization" in headers for headers in bad.headers)


def test_addresses_of_the_web_are_films_of_a_list(predict, bad, tmp_path):
    listed = tmp_path / "films.txt"
    base = f"{bad.address}/{BUCKET}/in"
    names = ("good0", "403", "404", "503", "twice", "cut", "drip")
    signed = f"{base}/good1.png?X-Amz-Signature={SECRET}&X-Amz-Date=1"
    listed.write_text("\n".join([*(f"{base}/{name}.png" for name in names), signed]))
    done = predict(f"@{listed}", *QUICK)
    assert done.code == 0, done.said
    status = {path.rpartition("/")[2]: found for path, found in done.status.items()}
    assert status == {
        "good0.png": "ok",
        "good1.png": "ok",
        "twice.png": "ok",
        "403.png": "forbidden",
        "404.png": "missing",
        "503.png": "unavailable",
        "cut.png": "unavailable",
        "drip.png": "unavailable",
    }
    for file in tmp_path.iterdir():
        if file != listed:
            assert SECRET.encode() not in file.read_bytes(), file


def test_a_list_that_is_signed_anew_goes_on(predict, bad, tmp_path):
    names = ["403", *(f"a{i:02}" for i in range(40)), "token"]
    bad.objects |= {f"in/{name}.png": png(i) for i, name in enumerate(names)}

    def signed(year):
        query = f"X-Amz-Date={year}0101T000000Z&X-Amz-Expires=60&X-Amz-Signature={SECRET}"
        addresses = (f"{bad.address}/{BUCKET}/in/{name}.png?{query}" for name in names)
        (tmp_path / "films.txt").write_text("\n".join(addresses))
        return f"@{tmp_path}/films.txt"

    bad.expired = True
    done = predict(signed(2098), *QUICK, "--workers", 1, "--io-threads", 1)  # one after another
    assert done.code == 3
    assert "signatures of the addresses have expired (400)" in done.said
    assert not done.out.exists()
    asked = dict(bad.asked)
    bad.expired = False
    again = predict(signed(2099), *QUICK)
    assert again.code == 0, again.said
    assert "Going on" in again.said
    assert list(again.status.values()) == ["forbidden"] + ["ok"] * 41
    assert bad.asked["in/a00.png"] == asked["in/a00.png"]
    # it may have been forbidden for what ended the run
    assert bad.asked["in/403.png"] == asked["in/403.png"] + 1


def test_other_commands_say_that_they_take_folders(bad, tmp_path):
    source = f"s3://{BUCKET}/in/"
    for command in (["audit", source], ["train", "--plugin", "cnn", "--data", source]):
        command = [sys.executable, "-m", "xraybatch", *command]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode in (2, 3), done
        assert "not on this machine" in done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "s3:").exists()


WITHOUT = "import sys; sys.modules['obstore'] = None; from xraybatch.cli.app import main; main()"
LOADED = """
import atexit, sys
from xraybatch.cli.app import main
names = ("obstore", "boto3", "xraybatch.sources.stores.store", "xraybatch.sources.web_films")
atexit.register(lambda: print("loaded:", [name for name in names if name in sys.modules]))
main()
"""


def test_a_missing_extra_is_named(predict, bad):
    done = predict(f"s3://{BUCKET}/in/", start=WITHOUT)
    assert done.code == 3
    assert "pip install 'xraybatch[cloud]'" in done.said


def test_a_folder_needs_nothing_of_it(predict, grey_films):
    done = predict(grey_films, start=LOADED)
    assert done.code == 0, done.said
    assert "loaded: []" in done.said
