import subprocess
import sys

import pytest

CHECK = """
import sys
import qatflow.report.compare.page, qatflow.report.compare.read, qatflow.report.build, qatflow.visualize.pictures
print([name for name in ("tensorflow", "tf_keras", "matplotlib", "shap") if name in sys.modules])
"""


@pytest.mark.slow
def test_pictures_and_pages_need_no_tensorflow_and_load_matplotlib_late():
    done = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
