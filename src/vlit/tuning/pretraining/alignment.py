"""stub"""
INSTRUCTION = "Describe the image."
