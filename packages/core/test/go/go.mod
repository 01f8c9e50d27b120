module k3s-pki/judge

go 1.24
