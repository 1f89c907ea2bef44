package proxy

import (
	"embed"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"faultbed/reports/schema"
)

// Spec is a subject as its YAML file says. It comes from [Load], [LoadFS] or
// [Embedded], is complete (defaults are filled in) and is not changed after.
type Spec struct {
	Name         string            `yaml:"name"`
	Description  string            `yaml:"description"` // one sentence
	Get          Get               `yaml:"get"`
	Process      *Local            `yaml:"process"` // nil unless Get.Debian; nil there too if it needs Docker
	Version      []string          `yaml:"version"` // argv; its first line of output is the version; may be empty
	Files        map[string]string `yaml:"files"`   // target → source, relative to the YAML file
	Config       map[string]string `yaml:"config"`  // target → template
	Command      []string          `yaml:"command"` // templates, exec form
	Env          map[string]string `yaml:"env"`     // templates
	Ready        Ready             `yaml:"ready"`
	Drain        Drain             `yaml:"drain"`
	Capabilities []string          `yaml:"capabilities"` // see [Capabilities]
	Declares     []string          `yaml:"declares"`     // see [Declarations]

	doc     *schema.Doc
	sources map[string][]byte // target → content of Files
	parts   []part            // every template, parsed
}

// Get says how to get the program; exactly one field is set.
type Get struct {
	Build      *Build      `yaml:"build"`
	Image      *Image      `yaml:"image"`
	Debian     *Debian     `yaml:"debian"`
	Executable *Executable `yaml:"executable"`
}

// Build is a Go package to build statically.
type Build struct {
	Go string `yaml:"go"` // package path, such as ./proxy/goproxy
}

// Image is an image that is local or that a registry has; Docker runtime only.
type Image struct {
	Ref string `yaml:"ref"`
}

// Debian is a set of packages to install onto the Debian base image.
type Debian struct {
	Packages []string `yaml:"packages"`
	Suite    string   `yaml:"suite"` // bookworm if the file names none
}

// Executable is a program on this machine; process runtime only.
type Executable struct {
	Path string `yaml:"path"` // absolute, or found in PATH
}

// Local is how a subject from Debian packages runs without Docker.
type Local struct {
	Program string   `yaml:"program"`
	Probe   []string `yaml:"probe"` // argv; exits 0 if the subject can run here; may be empty
}

// Ready is when the subject counts as ready: GET HTTP answers 200, or a TCP
// connection is accepted. Exactly one is set.
type Ready struct {
	HTTP    string          `yaml:"http"` // path
	TCP     bool            `yaml:"tcp"`
	Timeout schema.Duration `yaml:"timeout"` // 10 s by default
}

// Drain is what the subject promises about its end.
type Drain struct {
	Signal    string          `yaml:"signal"`     // without SIG
	Grace     schema.Duration `yaml:"grace"`      // gone within this after the signal; more than 0
	ExitCodes []int           `yaml:"exit_codes"` // [0] by default; 128+n for a death by signal n
}

//go:embed subjects/*.yaml pyproxy/pyproxy.py
var embedded embed.FS

// Embedded are the subjects that faultbed brings along, sorted by name: go,
// nginx and python.
func Embedded() ([]*Spec, error) {
	names, err := fs.Glob(embedded, "subjects/*.yaml")
	if err != nil {
		return nil, err
	}
	var out []*Spec
	for _, n := range names {
		s, err := LoadFS(embedded, n)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// Load reads a subject's file and the files that it names. Mistakes in it are
// *[schema.Error], with their position.
func Load(file string) (*Spec, error) {
	data, err := readLimited(file)
	if err != nil {
		return nil, &schema.Error{File: file, Msg: why(err)}
	}
	return load(file, data, func(source string) ([]byte, error) {
		if !filepath.IsAbs(source) {
			source = filepath.Join(filepath.Dir(file), source)
		}
		return os.ReadFile(source)
	})
}

func readLimited(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, schema.MaxSize+1))
}

// errOutside is the same for every file system: fs.ReadFile says "does not exist"
// or "invalid argument".
var errOutside = errors.New("is outside of the subject's file system")

// LoadFS is as [Load], from a file system; sources must lie within it.
func LoadFS(fsys fs.FS, name string) (*Spec, error) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, &schema.Error{File: name, Msg: why(err)}
	}
	return load(name, data, func(source string) ([]byte, error) {
		source = path.Join(path.Dir(name), source)
		if !fs.ValidPath(source) {
			return nil, errOutside
		}
		return fs.ReadFile(fsys, source)
	})
}

// why is the reason alone: the file's name stands before it.
func why(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

func load(file string, data []byte, read func(source string) ([]byte, error)) (*Spec, error) {
	doc, err := schema.Load(file, data, "subject")
	if err != nil {
		return nil, err
	}
	s := &Spec{doc: doc, sources: map[string][]byte{}}
	s.Ready.Timeout = schema.Duration(10 * time.Second) // defaults: a missing key leaves its field alone
	s.Drain.ExitCodes = []int{0}
	if err := doc.Decode(s); err != nil {
		return nil, err
	}
	if d := s.Get.Debian; d != nil && d.Suite == "" {
		d.Suite = "bookworm"
	}
	for _, check := range []func() *schema.Error{s.checkGet, s.checkReady, s.checkDrain, s.checkLists, s.checkTargets} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	for _, target := range slices.Sorted(maps.Keys(s.Files)) {
		b, err := read(s.Files[target])
		if err != nil {
			return nil, doc.Errorf(schema.Path("files", target), "%s: %s", s.Files[target], why(err))
		}
		s.sources[target] = b
	}
	if err := s.parse(); err != nil {
		return nil, err
	}
	return s, s.tryRender()
}
