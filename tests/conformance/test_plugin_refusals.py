"""A user's mistake is one message and exit code 4; and where a loader is imported from."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

# A small selection: three valid vectors, one of them bfloat16.
FEW = ("st-dtype-bfloat16", "st-dtype-float32", "st-dtype-uint8")


def ids(*names):
    return [f"safetensors::{name}" for name in names]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--loader=mypkg.load", "--accept=bfloat16=float64"], "*--accept: 'bfloat16=float64': *uint16*float32*"),
        (["--loader=mypkg.load", "--accept="], "*--accept is empty*"),
        (["--saver=mypkg.save", "--accept=bfloat16=uint16"], "*--accept goes with --loader and --testee*"),
        (["--loader="], "*write mypkg.load, mypkg:load, or a name*"),
        (["--saver="], "*write mypkg.save, mypkg:save, or a name*"),
        (["--loader=mypkg.gone"], "*mypkg*gone*"),
        (["--loader=nowhere.load"], "*nowhere*"),
        (["--loader=mypkg.unknown"], "*mypkg.unknown cannot be judged*int*"),
        (["--loader=mypkg.load", "--testee=x"], "*--loader and --testee exclude each other*"),
        (["--testee=no-such-program-anywhere"], "*no-such-program-anywhere*"),
        (["--testee=true", "--loader-takes=bytes"], "*--loader-takes goes with --loader*"),
        (["--testee=true", "--with=numpy"], "*--with goes with --loader*"),
        (["--loader=mypkg.load", "--loader-takes=x"], "*--loader-takes*invalid choice*"),
        (
            ["--loader=mypkg.load", "--format=safetensor"],
            "*unknown format 'safetensor'; did you mean safetensors? The formats are safetensors, *",
        ),
        (["--loader=mypkg.load", "--rule="], "*--rule is empty*"),
        (["--loader=mypkg.load", "--format=,"], "*--format is empty*"),
        (["--loader=mypkg.load", "--rule= , "], "*--rule is empty*"),
        (["--loader=mypkg.load", "--unsupported=,"], "*--unsupported is empty*"),
        (
            ["--loader=mypkg.load", "--loader=mypkg.swaps"],
            "*--loader is given twice, as mypkg.load and as mypkg.swaps: one run tests one testee",
        ),
        (["--saver=a.b", "--saver", "a.c"], "*--saver is given twice, as a.b and as a.c: *"),
        (["--loader=mypkg.load", "--baseline="], "*--baseline is empty*"),
        (["--loader=mypkg.load", "--rule=ST-DT-2"], "*no rule is called ST-DT-2; did you mean ST-DT-02?*"),
        (["--loader=mypkg.load", "--format=torch-zip", "--rule=ST-DT-02"], "*no vector is selected by --format*"),
        (["--loader=mypkg.load", "--guest=vax"], "*--guest: *vax*"),
        (["--loader=mypkg.load", "--with=a b c"], "*--with: 'a b c' is not a package*"),
        (["--loader=mypkg.load", "--policy=x=y"], "*unknown policy 'x'. The policies are*"),
        (["--loader=mypkg.load", "--policy=st-duplicate-names=z"], "*--policy: *"),
        (
            ["--loader=mypkg.load", "--baseline=gone.yaml"],
            "*--baseline: there is no file gone.yaml: --update-baseline writes it*",
        ),
        (["--loader=mypkg.load", "--update-baseline"], "*--update-baseline needs --baseline*"),
        (["--loader=mypkg.load", "--update-baseline", "--baseline=no/where.yaml"], "*there is no folder */no*"),
        (["--loader=mypkg.load", "safetensors::st-dtype-bfloat61"], "*did you mean st-dtype-bfloat16?*"),
        (["--loader=mypkg.load", "no/such/folder"], "*no/such/folder*"),
        (
            ["--loader=mypkg.load", "safetensor::st-plain"],
            "*no such file; did you mean safetensors::st-plain?*",
        ),
        (
            ["--loader=mypkg.load", "st-plain"],
            "*no such file; did you mean safetensors::st-plain?*",
        ),
        (
            ["--loader=mypkg.load", "--build-in-guest", "--with=numpy"],
            "*--build-in-guest goes with --guest and --with*",
        ),
        (["--loader=mypkg.load", "--build-in-guest", "--guest=s390x"], "*add --with=.*"),
        (["--build-in-guest"], "*--build-in-guest needs a testee: add --loader*"),
        (["--guest=s390x"], "*--guest needs a testee: add --loader*"),
        (["--update-baseline"], "*--update-baseline needs a testee: add --loader*"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_users_mistake_is_one_message_and_exit_code_4(run, args, said):
    result = run(*args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])
    text = result.stdout.str() + result.stderr.str()
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text


SPEAKS = """
    import json, sys
    says = {"hello": {"protocol": 1, "name": "mine", "version": "1", "byteorder": "little",
                      "machine": "m", "runtime": "r", "ops": ["load", "save"][int(sys.argv[1]):]}}
    for line in sys.stdin:
        print(json.dumps(says.get(json.loads(line)["op"], "done")), flush=True)
"""


@pytest.mark.parametrize("first", ["0", "1"], ids=["load", "save"])
def test_a_program_that_cannot_be_judged_is_told_how_to_see_what_it_says_and_nothing_about_python(
    run, pytester, first
):
    pytester.makepyfile(speaks=SPEAKS)
    result = run(f"--testee=python3 speaks.py {first}", "--format=safetensors")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "ERROR: mine cannot be judged: * the reply is no JSON object: '\"done\"'*",
            f"step by step: endianproof protocol check --testee='python3 speaks.py {first}'",
        ]
    )
    assert "__array__" not in result.stderr.str()


def test_a_loader_on_the_command_line_overrides_the_one_of_addopts(run, pytester):
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\naddopts = "--loader=mypkg.swaps"\n')
    run("--loader=mypkg.load", *ids(*FEW)).assert_outcomes(passed=3)


def test_a_users_mistake_is_the_same_with_workers(run):
    pytest.importorskip("xdist")
    result = run("--loader=nowhere.load", "-n2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*nowhere*"])


# Where the loader is imported from


def test_the_loader_is_imported_from_the_pythonpath_of_the_users_pytest(run, pytester):
    source = pytester.mkdir("src")
    (source / "inner.py").write_text("from endianproof.reference import load\n")
    pytester.makeini("[pytest]\npythonpath = src\n")
    run("--loader=inner.load", *ids(*FEW)).assert_outcomes(passed=3)


def test_a_loader_that_takes_bytes_is_given_bytes(run, pytester):
    pytester.makepyfile(
        takes="""
        import tempfile
        from endianproof.reference import load as right
        def load(data):
            assert isinstance(data, bytes)
            with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
                file.write(data)
                file.flush()
                return {name: tensor for name, tensor in right(file.name).items()}
        """
    )
    run("--loader=takes.load", "--loader-takes=bytes", *ids(*FEW)).assert_outcomes(passed=3)
