module k3s-pki/bench

go 1.26.0
