module bulk-judge

go 1.24
