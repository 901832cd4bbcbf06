def get(): pass
