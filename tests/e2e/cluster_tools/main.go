// Command strict refuses what the operators' own types do not know.
//
// usage: strict < MANIFESTS
//
// Objects of the Prometheus operator and of External Secrets are decoded into the types that
// those operators publish: an unknown field or a value of another kind is an error. Other
// objects are passed over; Kubernetes' schemas are for them.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	externalsecrets "github.com/external-secrets/external-secrets/apis/externalsecrets/v1"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	monitoringv1alpha1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1alpha1"
	kubejson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

var kinds = map[string]func() any{
	"monitoring.coreos.com/v1 ServiceMonitor":     func() any { return &monitoringv1.ServiceMonitor{} },
	"monitoring.coreos.com/v1 PodMonitor":         func() any { return &monitoringv1.PodMonitor{} },
	"monitoring.coreos.com/v1 PrometheusRule":     func() any { return &monitoringv1.PrometheusRule{} },
	"monitoring.coreos.com/v1alpha1 ScrapeConfig": func() any { return &monitoringv1alpha1.ScrapeConfig{} },
	"external-secrets.io/v1 ExternalSecret":       func() any { return &externalsecrets.ExternalSecret{} },
}

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	checked, failed := 0, 0
	for _, document := range bytes.Split(text, []byte("\n---")) {
		var head struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Metadata   struct {
				Name string `json:"name"`
			} `json:"metadata"`
		}
		if err := yaml.Unmarshal(document, &head); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		make, known := kinds[head.APIVersion+" "+head.Kind]
		if !known {
			if strings.Contains(head.APIVersion, "monitoring.coreos.com") ||
				strings.Contains(head.APIVersion, "external-secrets.io") {
				fmt.Fprintf(os.Stderr, "%s %s: no such kind\n", head.APIVersion, head.Kind)
				failed++
			}
			continue
		}
		// As the API server reads it: the case of a field's name counts, unlike in Go's own JSON.
		text, err := yaml.YAMLToJSONStrict(document)
		if err == nil {
			var unknown []error
			unknown, err = kubejson.UnmarshalStrict(text, make())
			err = errors.Join(append(unknown, err)...)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s %s: %v\n", head.Kind, head.Metadata.Name, err)
			failed++
		}
		checked++
	}
	fmt.Printf("%d objects of operators\n", checked)
	if failed > 0 {
		os.Exit(1)
	}
}
