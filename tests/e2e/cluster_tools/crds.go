//go:build crds

package main

// The modules whose definitions of objects are read, not compiled: `go mod tidy` keeps them, and
// go.sum their contents, as long as a package of each is named.
import (
	_ "github.com/external-secrets/external-secrets/pkg/constants"
	_ "github.com/prometheus-operator/prometheus-operator/pkg/versionutil"
)
