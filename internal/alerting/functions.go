package alerting

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	texttemplate "github.com/DataDog/datadog-agent/pkg/template/text"
	"github.com/Masterminds/sprig/v3"
)

// safe is a text that is inserted as it is.
type safe string

// function is what templates may call, and what a call of it costs.
type function struct {
	call  any
	price price
	// takesNothing is true if the function has an answer for what is missing.
	takesNothing bool
}

// takeNothing are the functions with an answer for what is missing.
const takeNothing = `default empty coalesce all any ternary hasKey dig deepEqual
	list tuple dict append mustAppend push mustPush prepend mustPrepend has mustHas without mustWithout index raw safe`

// functions are what templates may call, beside Go's own that neither read
// through what they are given nor make anything (and, or, not, eq, len, index,
// …). All rules share them.
var functions = allFunctions()

// byPrice are the functions of sprig that only depend on what they are given:
// none that reads the environment, the network, the clock or chance, none that
// makes keys, and none that changes what it is given.
var byPrice = []struct {
	price price
	names string
}{
	{peek, `default empty coalesce all any ternary get hasKey dig first last mustFirst mustLast
		typeOf typeIs typeIsLike kindOf kindIs pluck`},
	{shallow, `list tuple rest initial mustRest mustInitial append push prepend mustAppend mustPush mustPrepend concat
		reverse mustReverse chunk mustChunk compact mustCompact pick omit`},
	{dictPrice, `dict`}, {sliced, `slice mustSlice`},
	{scalar, `contains hasPrefix hasSuffix isAbs osIsAbs deepEqual sha1sum sha256sum sha512sum adler32sum fail`},
	{numeric, `atoi int int64 float64 add add1 sub div mod mul max min biggest ceil floor round add1f`},
	{decimals, `addf subf divf mulf maxf minf`},
	{texts(4), `trim trimAll trimSuffix trimPrefix upper lower title untitle substr trunc abbrev abbrevboth initials swapcase
		nospace plural snakecase camelcase kebabcase cat squote toString toStrings sortAlpha toDecimal
		b64enc b64dec b32enc b32dec base dir clean ext osBase osDir osClean osExt`},
	{texts(8), `quote toJson toRawJson mustToJson mustToRawJson urlParse urlJoin`},
	{prettyJSON, `toPrettyJson mustToPrettyJson`},
	{texts(64), `fromJson mustFromJson`},
	{pieces, `split splitList splitn`},
	{joined, `join`}, {repeated, `repeat`}, {replaced, `replace`},
	{wrapped, `wrap wrapWith`}, {indented, `indent nindent`},
	{counted, `until untilStep seq`},
	{pairs, `uniq mustUniq without mustWithout has mustHas`},
	{versions, `semver semverCompare`},
}

func allFunctions() map[string]function {
	out := map[string]function{}
	all := sprig.TxtFuncMap()
	for _, group := range byPrice {
		for _, name := range strings.Fields(group.names) {
			if f, ok := all[name]; ok {
				out[name] = function{call: f, price: group.price}
			}
		}
	}
	maps.Copy(out, map[string]function{
		// Their order must not depend on chance.
		"keys": {call: sortedKeys, price: shallow}, "values": {call: sortedValues, price: shallow},
		// Go's own, but limited.
		"print": {call: fmt.Sprint, price: texts(4)}, "println": {call: fmt.Sprintln, price: texts(4)}, "printf": {call: printf, price: formatted},
		"html": {call: texttemplate.HTMLEscaper, price: texts(8)}, "js": {call: texttemplate.JSEscaper, price: texts(8)}, "urlquery": {call: texttemplate.URLQueryEscaper, price: texts(8)},
		"date": {call: date, price: texts(4)},
		"raw":  {call: asItIs, price: texts(8)}, "safe": {call: asItIs, price: texts(8)},
		// Go's own, but that nothing is no error.
		"index": {call: index, price: peek}, "len": {call: countOf, price: peek},
		"lt": {call: less, price: peek}, "le": {call: atMost, price: peek}, "gt": {call: greater, price: peek}, "ge": {call: atLeast, price: peek},
	})
	maps.Copy(out, patternFunctions())
	for _, name := range strings.Fields(takeNothing) {
		if f, ok := out[name]; ok {
			f.takesNothing = true
			out[name] = f
		}
	}
	return out
}

// patternFunctions are sprig's, by patterns that are bounded and kept.
func patternFunctions() map[string]function {
	out := map[string]function{
		"regexMatch": {call: regexMatch, price: matching(0)}, "regexFind": {call: regexFind, price: matching(0)},
		"regexFindAll": {call: regexFindAll, price: matching(pieceBytes)}, "regexSplit": {call: regexSplit, price: matching(pieceBytes)},
		"regexReplaceAll": {call: regexReplaceAll, price: matching(replacing)}, "regexReplaceAllLiteral": {call: regexReplaceAllLiteral, price: matching(replacing)},
		"regexQuoteMeta": {call: regexp.QuoteMeta, price: texts(4)},
	}
	for _, name := range slices.Collect(maps.Keys(out)) {
		if name != "regexQuoteMeta" {
			out["mustR"+name[1:]] = out[name]
		}
	}
	return out
}

func regexMatch(expr, s string) (bool, error) {
	p, err := patterns.get(expr)
	return err == nil && p.re.MatchString(s), err
}

func regexFind(expr, s string) (string, error) {
	p, err := patterns.get(expr)
	if err != nil {
		return "", err
	}
	return p.re.FindString(s), nil
}

func regexFindAll(expr, s string, n int) ([]string, error) {
	p, err := patterns.get(expr)
	if err != nil {
		return nil, err
	}
	return p.re.FindAllString(s, n), nil
}

func regexSplit(expr, s string, n int) ([]string, error) {
	p, err := patterns.get(expr)
	if err != nil {
		return nil, err
	}
	return p.re.Split(s, n), nil
}

func regexReplaceAll(expr, s, by string) (string, error) {
	p, err := patterns.get(expr)
	if err != nil {
		return "", err
	}
	return p.re.ReplaceAllString(s, by), nil
}

func regexReplaceAllLiteral(expr, s, by string) (string, error) {
	p, err := patterns.get(expr)
	if err != nil {
		return "", err
	}
	return p.re.ReplaceAllLiteralString(s, by), nil
}

// wide is a width that makes much of little.
var wide = regexp.MustCompile(`%[^a-zA-Z%]*(\*|\d{4,})`)

func printf(format string, args ...any) (string, error) {
	if wide.MatchString(format) {
		return "", errors.New("printf takes no width over 999, and no *")
	}
	return fmt.Sprintf(format, args...), nil
}

func asItIs(v any) any {
	if v == nil {
		return nil
	}
	return safe(plainText(v))
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

// bind returns a function whose calls are charged to a budget.
func (f function) bind(b *budget) any {
	fn := reflect.ValueOf(f.call)
	return reflect.MakeFunc(fn.Type(), func(args []reflect.Value) []reflect.Value {
		c := call{budget: b, variadic: fn.Type().IsVariadic(), args: flat(args, fn.Type().IsVariadic())}
		if b.strict && !f.takesNothing && slices.ContainsFunc(c.args, isNothing) {
			panic(errNothing)
		}
		if err := c.before(f.price); err != nil {
			panic(err)
		}
		var out []reflect.Value
		if fn.Type().IsVariadic() {
			out = fn.CallSlice(args)
		} else {
			out = fn.Call(args)
		}
		if err := c.after(out[0]); err != nil {
			panic(err)
		}
		return out
	}).Interface()
}

// flat are the arguments one by one.
func flat(args []reflect.Value, variadic bool) []reflect.Value {
	if !variadic {
		return args
	}
	last := args[len(args)-1]
	out := slices.Clone(args[:len(args)-1])
	for i := range last.Len() {
		out = append(out, last.Index(i))
	}
	return out
}
