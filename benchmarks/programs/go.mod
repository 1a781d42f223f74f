module benchmark

go 1.26
