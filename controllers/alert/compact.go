package alert

import (
	"bytes"
	"compress/flate"
	"io"
	"sync"
	"sync/atomic"
	"weak"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// compact is a watched object as it is kept in memory: its metadata, by which
// most objects are passed over, and the rest compressed. As maps an object
// takes some ten times as much.
type compact struct {
	metav1.ObjectMeta
	kind string
	data []byte
	// recent is the whole object for as long as it happens to be in memory, so
	// that what has just come need not be decoded.
	recent atomic.Pointer[weak.Pointer[unstructured.Unstructured]]
}

var compressors = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed) // only fails for another level
	return w
}}

// shrink makes an object compact, without what no rule asks for and is large.
func shrink(o any) (any, error) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return o, nil
	}
	u.SetManagedFields(nil)
	if notes := u.GetAnnotations(); notes["kubectl.kubernetes.io/last-applied-configuration"] != "" {
		delete(notes, "kubectl.kubernetes.io/last-applied-configuration")
		u.SetAnnotations(notes)
	}
	plain, err := u.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := compressors.Get().(*flate.Writer)
	defer compressors.Put(w)
	w.Reset(&out)
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	c := &compact{kind: u.GetKind(), data: bytes.Clone(out.Bytes()), ObjectMeta: metav1.ObjectMeta{
		Namespace: u.GetNamespace(), Name: u.GetName(), UID: u.GetUID(), ResourceVersion: u.GetResourceVersion(), Labels: u.GetLabels(),
	}}
	c.keep(u)
	return c, nil
}

func (c *compact) keep(u *unstructured.Unstructured) {
	p := weak.Make(u)
	c.recent.Store(&p)
}

// whole returns the object, which must not be changed; nil if it can't be read,
// which does not happen.
func (c *compact) whole() *unstructured.Unstructured {
	if p := c.recent.Load(); p != nil {
		if u := p.Value(); u != nil {
			return u
		}
	}
	plain, err := io.ReadAll(flate.NewReader(bytes.NewReader(c.data)))
	if err != nil {
		return nil
	}
	u := &unstructured.Unstructured{}
	if u.UnmarshalJSON(plain) != nil {
		return nil
	}
	c.keep(u)
	return u
}

// label names an object for people.
func (c *compact) label() string {
	if c.Namespace == "" {
		return c.Name
	}
	return c.Namespace + "/" + c.Name
}
