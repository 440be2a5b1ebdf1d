"""Reading records: is a study what its records say, and where did a number come from?"""
