from hypothesis import settings

# A machine that is busy is slow, and that is no failure.
settings.register_profile("affidavit", deadline=None)
settings.load_profile("affidavit")
