import subprocess
import sys


def test_package_imports_without_torch():
    code = "import sys, vlit.data; import vlit.data.formats.llava; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
