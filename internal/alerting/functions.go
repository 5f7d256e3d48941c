package alerting

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	texttemplate "text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
)

// safe is a text that is inserted as it is.
type safe string

// kept are the functions of sprig that only depend on what they are given:
// none that reads the environment, the network, the clock or chance, none that
// makes keys, and none that changes what it is given.
var kept = strings.Fields(`
	trim trimAll trimSuffix trimPrefix upper lower title untitle substr trunc abbrev abbrevboth initials swapcase nospace
	contains hasPrefix hasSuffix quote squote cat indent nindent replace plural snakecase camelcase kebabcase wrap wrapWith
	repeat split splitList splitn join sortAlpha toString toStrings
	regexMatch regexFindAll regexFind regexReplaceAll regexReplaceAllLiteral regexSplit regexQuoteMeta
	mustRegexMatch mustRegexFindAll mustRegexFind mustRegexReplaceAll mustRegexReplaceAllLiteral mustRegexSplit
	atoi int int64 float64 toDecimal add add1 sub div mod mul max min biggest ceil floor round addf add1f subf divf mulf maxf minf
	until untilStep seq
	default empty coalesce all any compact mustCompact ternary
	fromJson toJson toPrettyJson toRawJson mustFromJson mustToJson mustToPrettyJson mustToRawJson
	typeOf typeIs typeIsLike kindOf kindIs deepEqual
	list tuple dict get hasKey pluck pick omit dig first last rest initial mustFirst mustLast mustRest mustInitial
	append push prepend concat uniq without has slice reverse chunk mustAppend mustPush mustPrepend mustUniq mustWithout mustHas mustSlice mustReverse mustChunk
	b64enc b64dec b32enc b32dec urlParse urlJoin base dir clean ext isAbs osBase osDir osClean osExt osIsAbs
	semver semverCompare sha1sum sha256sum sha512sum adler32sum fail
`)

// multiplying functions make something as large as the product of what they
// are given.
var multiplying = strings.Fields(`repeat replace join wrap wrapWith indent nindent until untilStep seq
	regexReplaceAll regexReplaceAllLiteral mustRegexReplaceAll mustRegexReplaceAllLiteral`)

// Limits of what functions take and make, so that no template takes all memory.
const (
	maxProduct = 1 << 20
	maxWeight  = 256 << 10
)

// functions are what templates may call, beside Go's own.
var functions = allFunctions()

func allFunctions() texttemplate.FuncMap {
	out := texttemplate.FuncMap{}
	all := sprig.TxtFuncMap()
	for _, name := range kept {
		if f, ok := all[name]; ok {
			out[name] = f
		}
	}
	maps.Copy(out, texttemplate.FuncMap{
		// Their order must not depend on chance.
		"keys": sortedKeys, "values": sortedValues,
		// Go's own, but limited.
		"print": fmt.Sprint, "println": fmt.Sprintln, "printf": printf,
		"html": texttemplate.HTMLEscaper, "js": texttemplate.JSEscaper, "urlquery": texttemplate.URLQueryEscaper,
		"date": date,
	})
	for name, f := range out {
		out[name] = limit(name, f)
	}
	asItIs := func(v any) any {
		if v == nil {
			return nil
		}
		return safe(plainText(v))
	}
	out["raw"], out["safe"] = asItIs, asItIs
	return out
}

// limit refuses calls that would make too much.
func limit(name string, f any) any {
	fn := reflect.ValueOf(f)
	multiplies := slices.Contains(multiplying, name)
	return reflect.MakeFunc(fn.Type(), func(args []reflect.Value) []reflect.Value {
		if multiplies && product(args) > maxProduct {
			panic(fmt.Errorf("%s would make too much", name))
		}
		var out []reflect.Value
		if fn.Type().IsVariadic() {
			out = fn.CallSlice(args)
		} else {
			out = fn.Call(args)
		}
		left := maxWeight
		if weigh(out[0], &left); left < 0 {
			panic(fmt.Errorf("%s makes more than %d bytes", name, maxWeight))
		}
		return out
	}).Interface()
}

// product of the sizes of arguments.
func product(args []reflect.Value) float64 {
	out := 1.0
	for _, a := range args {
		for a.Kind() == reflect.Interface {
			a = a.Elem()
		}
		switch a.Kind() {
		case reflect.String:
			out *= max(1, float64(a.Len()))
		case reflect.Slice, reflect.Array, reflect.Map:
			if a.Len() > 0 && a.Type().Elem().Kind() == reflect.Int {
				out *= product(elements(a)) // variadic
				continue
			}
			out *= max(1, float64(a.Len()))
		case reflect.Int, reflect.Int64, reflect.Int32:
			out *= max(1, float64(a.Int()), -float64(a.Int()))
		case reflect.Float64:
			out *= max(1, a.Float(), -a.Float())
		}
	}
	return out
}

func elements(list reflect.Value) []reflect.Value {
	out := make([]reflect.Value, list.Len())
	for i := range out {
		out[i] = list.Index(i)
	}
	return out
}

// weigh subtracts the size of a value, as it would be printed.
func weigh(v reflect.Value, left *int) {
	if *left--; *left < 0 {
		return
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if !v.IsNil() {
			weigh(v.Elem(), left)
		}
	case reflect.String:
		*left -= v.Len()
	case reflect.Slice, reflect.Array:
		for i := 0; i < v.Len() && *left >= 0; i++ {
			weigh(v.Index(i), left)
		}
	case reflect.Map:
		for iter := v.MapRange(); *left >= 0 && iter.Next(); {
			weigh(iter.Key(), left)
			weigh(iter.Value(), left)
		}
	}
}

// wide is a width that makes much of little.
var wide = regexp.MustCompile(`%[^a-zA-Z%]*(\*|\d{4,})`)

func printf(format string, args ...any) (string, error) {
	if wide.MatchString(format) {
		return "", errors.New("printf takes no width over 999, and no *")
	}
	return fmt.Sprintf(format, args...), nil
}

func sortedKeys(dicts ...map[string]any) []string {
	var out []string
	for _, d := range dicts {
		out = append(out, slices.Sorted(maps.Keys(d))...)
	}
	return out
}

func sortedValues(dict map[string]any) []any {
	var out []any
	for _, key := range slices.Sorted(maps.Keys(dict)) {
		out = append(out, dict[key])
	}
	return out
}

// date writes a time of the API (RFC 3339) by a layout of Go's; what is no time
// stays as it is.
func date(layout, value string) string {
	t, err := time.Parse(time.RFC3339, value)
	if err != nil || len(layout) > 200 {
		return value
	}
	return t.UTC().Format(layout)
}
