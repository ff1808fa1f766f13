// Go's net/http and mime/multipart.
package main

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	if os.Args[1] == "version" {
		os.Stdout.WriteString(strings.TrimPrefix(runtime.Version(), "go"))
		return
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	must(form.WriteField("user", "mallory"))
	must(form.WriteField("model", "openai/whisper-1"))
	part, err := form.CreateFormFile("file", filepath.Base(os.Args[2]))
	must(err)
	content, err := os.ReadFile(os.Args[2])
	must(err)
	_, err = part.Write(content)
	must(err)
	must(form.WriteField("session_id", "mallory"))
	must(form.Close())
	request, err := http.NewRequest("POST", os.Args[1], &body)
	must(err)
	headers := map[string]string{}
	must(json.Unmarshal([]byte(os.Getenv("FORM_HEADERS")), &headers))
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	request.Header.Set("Content-Type", form.FormDataContentType())
	answer, err := http.DefaultClient.Do(request)
	must(err)
	_, err = io.Copy(os.Stdout, answer.Body)
	must(err)
}
