module lib

go 1.22
