// written by rush init
