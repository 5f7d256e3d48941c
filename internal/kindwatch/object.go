package kindwatch

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

// Object is a watched object as it is kept in memory: of its metadata what most
// objects are passed over by (namespace, name, UID, version and labels), and the
// whole compressed. As maps an object takes some ten times as much.
type Object struct {
	metav1.ObjectMeta
	// Kind of the object, without its group.
	Kind string
	data []byte
	// recent is the whole object for as long as it happens to be in memory, so
	// that what has just come need not be decoded.
	recent atomic.Pointer[weak.Pointer[unstructured.Unstructured]]
}

var compressors = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed) // only fails for another level
	return w
}}

// transform is Pack as informers call it.
func transform(o any) (any, error) {
	if u, ok := o.(*unstructured.Unstructured); ok {
		return Pack(u)
	}
	return o, nil
}

// Pack makes an Object, without what is large and nobody asks for. It changes what
// it is given.
func Pack(u *unstructured.Unstructured) (*Object, error) {
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
	c := &Object{Kind: u.GetKind(), data: bytes.Clone(out.Bytes()), ObjectMeta: metav1.ObjectMeta{
		Namespace: u.GetNamespace(), Name: u.GetName(), UID: u.GetUID(), ResourceVersion: u.GetResourceVersion(), Labels: u.GetLabels(),
	}}
	c.cache(u)
	return c, nil
}

func (c *Object) cache(u *unstructured.Unstructured) {
	p := weak.Make(u)
	c.recent.Store(&p)
}

// Unpack returns the object, which must not be changed; nil if it can't be read,
// which does not happen.
func (c *Object) Unpack() *unstructured.Unstructured {
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
	c.cache(u)
	return u
}

// Key is the namespace and name, or the name alone of an object that is in none.
func (c *Object) Key() string {
	if c.Namespace == "" {
		return c.Name
	}
	return c.Namespace + "/" + c.Name
}
