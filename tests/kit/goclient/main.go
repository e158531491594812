// A client as agents in Go have it: it lists the tools once at its start and keeps their names, and
// lists them again at each turn, as google.golang.org/adk and kagent's Go runtime do.
//
// MCP_TOKEN is the token of an orchestrator, if the server needs one.
// The arguments are the URL of the server, and the version of the protocol to ask for. Each line of
// standard input is a turn, a JSON object with "tool" and "arguments". Each line of standard output
// answers: {"version", "tools": {name: description}, "text", "isError", "error"}.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type turn struct {
	Tool      string         `json:"tool"`
	Arguments map[string]any `json:"arguments"`
}

type answer struct {
	Version string            `json:"version"`
	Tools   map[string]string `json:"tools"`
	Text    string            `json:"text"`
	IsError bool              `json:"isError"`
	Error   string            `json:"error"`
}

func list(ctx context.Context, session *mcp.ClientSession) (map[string]string, error) {
	found := map[string]string{}
	for tool, err := range session.Tools(ctx, nil) {
		if err != nil {
			return nil, err
		}
		found[tool.Name] = tool.Description
	}
	return found, nil
}

// withToken sends the token of an orchestrator, as RemoteMCPServer.headersFrom does.
type withToken string

func (token withToken) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("X-Hotpeers-Token", string(token))
	return http.DefaultTransport.RoundTrip(request)
}

func run() error {
	ctx := context.Background()
	client := mcp.NewClient(&mcp.Implementation{Name: "goclient", Version: "1"}, nil)
	transport := &mcp.StreamableClientTransport{Endpoint: os.Args[1]}
	if token := os.Getenv("MCP_TOKEN"); token != "" {
		transport.HTTPClient = &http.Client{Transport: withToken(token)}
	}
	session, err := client.Connect(ctx, transport, &mcp.ClientSessionOptions{ProtocolVersion: os.Args[2]})
	if err != nil {
		return err
	}
	defer session.Close()
	frozen, err := list(ctx, session)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(answer{Version: session.InitializeResult().ProtocolVersion, Tools: frozen}); err != nil {
		return err
	}
	for lines.Scan() {
		var asked turn
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			return err
		}
		made := answer{Version: session.InitializeResult().ProtocolVersion, Tools: map[string]string{}}
		listed, err := list(ctx, session)
		if err != nil {
			made.Error = err.Error()
		}
		for name, description := range listed {
			if _, known := frozen[name]; known {
				made.Tools[name] = description
			}
		}
		if _, known := made.Tools[asked.Tool]; known {
			limited, cancel := context.WithTimeout(ctx, 60*time.Second)
			result, err := session.CallTool(limited, &mcp.CallToolParams{Name: asked.Tool, Arguments: asked.Arguments})
			cancel()
			if err != nil {
				made.Error = err.Error()
			} else {
				made.IsError = result.IsError
				for _, content := range result.Content {
					if text, ok := content.(*mcp.TextContent); ok {
						made.Text += text.Text
					}
				}
			}
		}
		if err := out.Encode(made); err != nil {
			return err
		}
	}
	return lines.Err()
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
