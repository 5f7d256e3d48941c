package slacksim

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed page
var pageFiles embed.FS

// Page is the page that shows messages: index.html, style.css, text.js, elements.js,
// blocks.js, actions.js and page.js. text.js, elements.js and blocks.js, in this
// order, make HTML of one message by the function content.
func Page() fs.FS {
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic(err) // the path is a constant
	}
	return files
}

// pageHandler serves the page that shows the messages.
func pageHandler() http.Handler {
	serve := http.FileServerFS(Page())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Attachments have a bar of any color, by an attribute.
		w.Header().Set("Content-Security-Policy",
			"default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; connect-src 'self'; img-src * data:")
		serve.ServeHTTP(w, r)
	})
}
