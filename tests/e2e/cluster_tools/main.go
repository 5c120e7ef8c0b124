// Command cluster_tools renders and checks what deploy/ has for a cluster.
//
// usage: cluster_tools template -name NAME -namespace NAMESPACE -kube-version VERSION
//
//	                     [-f FILE] [-set KEY=VALUE]... CHART
//	cluster_tools lint [-f FILE] CHART
//	cluster_tools build FOLDER
//	cluster_tools workflows
//
// It is what `helm template`, `helm lint --strict`, `kustomize build` and `actionlint` do, with
// their own packages, but without what those commands need for clusters and registries: most of
// the time of a test on a fresh machine would go into compiling that.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/rhysd/actionlint"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"helm.sh/helm/v3/pkg/releaseutil"
	"helm.sh/helm/v3/pkg/strvals"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// The flags of template and lint; -set may be repeated.
type options struct {
	name, namespace, kubeVersion, file string
	sets                               []string
	chart                              string
}

func main() {
	commands := map[string]func([]string) error{
		"template":  template,
		"lint":      lintChart,
		"build":     kustomize,
		"workflows": workflows,
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: cluster_tools template|lint|build|workflows ...")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func parse(words []string) (options, map[string]any, error) {
	var given options
	flags := flag.NewFlagSet("cluster_tools", flag.ExitOnError)
	flags.StringVar(&given.name, "name", "release-name", "name of the release")
	flags.StringVar(&given.namespace, "namespace", "default", "namespace of the release")
	flags.StringVar(&given.kubeVersion, "kube-version", "", "version of Kubernetes")
	flags.StringVar(&given.file, "f", "", "file of values")
	flags.Func("set", "one value, as KEY=VALUE", func(word string) error {
		given.sets = append(given.sets, word)
		return nil
	})
	if err := flags.Parse(words); err != nil {
		return given, nil, err
	}
	if flags.NArg() != 1 {
		return given, nil, errors.New("name the folder of one chart")
	}
	given.chart = flags.Arg(0)
	values := map[string]any{}
	if given.file != "" {
		read, err := chartutil.ReadValuesFile(given.file)
		if err != nil {
			return given, nil, err
		}
		values = read
	}
	for _, word := range given.sets {
		if err := strvals.ParseInto(word, values); err != nil {
			return given, nil, err
		}
	}
	return given, values, nil
}

func template(words []string) error {
	given, values, err := parse(words)
	if err != nil {
		return err
	}
	chart, err := loader.Load(given.chart)
	if err != nil {
		return err
	}
	if err := chartutil.ProcessDependenciesWithMerge(chart, values); err != nil {
		return err
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	if given.kubeVersion != "" {
		version, err := chartutil.ParseKubeVersion(given.kubeVersion)
		if err != nil {
			return err
		}
		capabilities.KubeVersion = *version
	}
	wanted := chart.Metadata.KubeVersion
	if wanted != "" && !chartutil.IsCompatibleRange(wanted, capabilities.KubeVersion.String()) {
		return fmt.Errorf("the chart needs Kubernetes %s, not %s", wanted, given.kubeVersion)
	}
	release := chartutil.ReleaseOptions{
		Name:      given.name,
		Namespace: given.namespace,
		Revision:  1,
		IsInstall: true,
	}
	// The values are checked against values.schema.json here.
	context, err := chartutil.ToRenderValues(chart, values, release, capabilities)
	if err != nil {
		return err
	}
	files, err := engine.Render(chart, context)
	if err != nil {
		return err
	}
	for name := range files {
		if strings.HasSuffix(name, "NOTES.txt") {
			delete(files, name)
		}
	}
	hooks, manifests, err := releaseutil.SortManifests(files, nil, releaseutil.InstallOrder)
	if err != nil {
		return err
	}
	for _, manifest := range manifests {
		fmt.Printf("---\n# Source: %s\n%s\n", manifest.Name, manifest.Content)
	}
	for _, hook := range hooks {
		fmt.Printf("---\n# Source: %s\n%s\n", hook.Path, hook.Manifest)
	}
	return nil
}

func lintChart(words []string) error {
	given, values, err := parse(words)
	if err != nil {
		return err
	}
	failed := 0
	for _, message := range lint.All(given.chart, values, given.namespace, true).Messages {
		fmt.Println(message)
		if message.Severity >= support.WarningSev {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d warnings or errors", failed)
	}
	return nil
}

func kustomize(words []string) error {
	if len(words) != 1 {
		return errors.New("name one folder")
	}
	settings := krusty.MakeDefaultOptions()
	settings.Reorder = krusty.ReorderOptionUnspecified // as the command does
	found, err := krusty.MakeKustomizer(settings).Run(filesys.MakeFsOnDisk(), words[0])
	if err != nil {
		return err
	}
	text, err := found.AsYaml()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

// Workflows checks those of the repository that the working directory belongs to.
func workflows(words []string) error {
	command := actionlint.Command{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	flags := []string{"actionlint", "-no-color", "-shellcheck=", "-pyflakes="}
	if status := command.Main(append(flags, words...)); status != 0 {
		return fmt.Errorf("actionlint ends with %d", status)
	}
	return nil
}
