"""What the reading room does, without HTTP: intake, scoring, pictures, reading studies and sign-off.

Pages and the API call it; `leuknet.store` keeps what it decides. It never imports torch.
"""
