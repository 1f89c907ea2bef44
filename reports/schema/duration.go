package schema

import "time"

// Duration is a time.Duration that files write as "1.5s", in YAML and in JSON.
type Duration time.Duration

// String is Go's notation: "1.5s".
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes Go's notation.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads Go's notation ([time.ParseDuration]).
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return err
	}
	*d = Duration(v)
	return nil
}
