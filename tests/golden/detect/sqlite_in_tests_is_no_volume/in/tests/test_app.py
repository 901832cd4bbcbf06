URL='sqlite:///test.db'
