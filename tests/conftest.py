import os

from hypothesis import settings

# A machine that is busy is slow, and that is no failure.
settings.register_profile("affidavit", deadline=None)
settings.load_profile("affidavit")

# A container may hide how many cores there are, of which joblib warns; a warning is an error here.
os.environ.setdefault("LOKY_MAX_CPU_COUNT", str(os.cpu_count() or 1))
