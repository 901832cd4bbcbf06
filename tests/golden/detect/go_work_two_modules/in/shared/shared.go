package shared

func Init() {}
