package main

import (
	"context"
	"errors"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// usersOn makes etcd ask for users: `client` may do everything, `reader` may only read. A client certificate's common
// name is its user.
func usersOn(ctx context.Context, etcd *clientv3.Client) error {
	reading := clientv3.PermissionType(clientv3.PermRead)
	steps := []func() error{
		func() error { _, err := etcd.RoleAdd(ctx, "root"); return err },
		func() error { _, err := etcd.RoleAdd(ctx, "reading"); return err },
		func() error { _, err := etcd.RoleGrantPermission(ctx, "reading", "/", "0", reading); return err },
	}
	for user, role := range map[string]string{"root": "root", "client": "root", "reader": "reading"} {
		steps = append(steps,
			func() error { _, err := etcd.UserAdd(ctx, user, "not secret"); return err },
			func() error { _, err := etcd.UserGrantRole(ctx, user, role); return err },
		)
	}
	steps = append(steps, func() error { _, err := etcd.AuthEnable(ctx); return err })
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// usersOff makes etcd forget that it has users.
func usersOff(ctx context.Context, etcd *clientv3.Client) error {
	_, err := etcd.AuthDisable(ctx)
	for _, user := range []string{"root", "client", "reader"} {
		_, gone := etcd.UserDelete(ctx, user)
		err = errors.Join(err, gone)
	}
	for _, role := range []string{"root", "reading"} {
		_, gone := etcd.RoleDelete(ctx, role)
		err = errors.Join(err, gone)
	}
	return err
}
