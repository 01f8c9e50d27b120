package main

import (
	"crypto/x509"
	"net"

	certutil "github.com/rancher/dynamiclistener/cert"
)

// Names that a server and a node of an ordinary cluster have.
const (
	nodeName      = "node-1"
	clusterDomain = "cluster.local"
)

var (
	loopback   = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	nodeIP     = net.IPv4(192, 0, 2, 10)
	serviceIP  = net.IPv4(10, 43, 0, 1)
	serverOnly = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	clientOnly = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	both       = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
)

// A leaf is one kind of certificate that a K3s server or agent holds, and the CA that signs it.
type leaf struct {
	name, ca string
	config   certutil.Config
}

// leafTable has a row for every kind of leaf that K3s makes by NewSignedCert.
// Source: K3s, pkg/daemons/control/deps/deps.go (server) and pkg/server/handlers (agent).
var leafTable = []leaf{
	client("client-admin", "system:admin", "system:masters"),
	client("client-supervisor", "system:k3s-supervisor", "system:masters"),
	client("client-controller", "system:kube-controller-manager"),
	client("client-scheduler", "system:kube-scheduler"),
	client("client-kube-apiserver", "system:apiserver", "system:masters"),
	client("client-kube-proxy", "system:kube-proxy"),
	client("client-k3s-controller", "system:k3s-controller"),
	client("client-k3s-cloud-controller", "k3s-cloud-controller-manager"),
	client("client-kubelet", "system:node:"+nodeName, "system:nodes"),
	{"serving-kube-apiserver", "server", certutil.Config{
		CommonName: "kube-apiserver", Usages: serverOnly, AltNames: serverNames("kubernetes",
			"kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc."+clusterDomain),
	}},
	{"serving-kubelet", "server", certutil.Config{
		CommonName: nodeName, Usages: serverOnly,
		AltNames: certutil.AltNames{DNSNames: []string{nodeName, "localhost"}, IPs: append([]net.IP{nodeIP}, loopback...)},
	}},
	component("kube-controller-manager"),
	component("kube-scheduler"),
	{"client-auth-proxy", "request-header", certutil.Config{CommonName: "system:auth-proxy", Usages: clientOnly}},
	{"etcd/client", "etcd/server", certutil.Config{CommonName: "etcd-client", Usages: clientOnly}},
	{"etcd/server-client", "etcd/server", certutil.Config{
		CommonName: "etcd-server", Usages: both, AltNames: serverNames("kine.sock"),
	}},
	{"etcd/peer-server-client", "etcd/peer", certutil.Config{
		CommonName: "etcd-peer", Usages: both, AltNames: serverNames("kine.sock"),
	}},
}

func client(name, commonName string, organization ...string) leaf {
	return leaf{name, "client", certutil.Config{CommonName: commonName, Organization: organization, Usages: clientOnly}}
}

func component(name string) leaf {
	return leaf{name + "/" + name, "server", certutil.Config{
		CommonName: name, Usages: serverOnly,
		AltNames: certutil.AltNames{DNSNames: []string{"localhost"}, IPs: loopback},
	}}
}

func serverNames(first ...string) certutil.AltNames {
	return certutil.AltNames{
		DNSNames: append(first, nodeName, "localhost"),
		IPs:      append([]net.IP{nodeIP, serviceIP}, loopback...),
	}
}

// A meeting is a TLS connection of a running cluster: who serves, who calls, and whose bundles the two trust.
type meeting struct {
	name, server, client string
	serverCA, clientCA   string
}

var meetings = []meeting{
	{"admin to kube-apiserver", "serving-kube-apiserver", "client-admin", "server", "client"},
	{"kubelet to kube-apiserver", "serving-kube-apiserver", "client-kubelet", "server", "client"},
	{"supervisor to k3s", supervisorLeaf, "client-supervisor", "server", "client"},
	{"kube-apiserver to kubelet", "serving-kubelet", "client-kube-apiserver", "server", "client"},
	{"kube-apiserver to aggregated API", "serving-kube-apiserver", "client-auth-proxy", "server", "request-header"},
	{"kube-apiserver to etcd", "etcd/server-client", "etcd/client", "etcd/server", "etcd/server"},
	{"etcd to itself", "etcd/server-client", "etcd/server-client", "etcd/server", "etcd/server"},
	{"etcd to etcd", "etcd/peer-server-client", "etcd/peer-server-client", "etcd/peer", "etcd/peer"},
}
