package v1alpha1

import (
	"encoding/json"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
)

// Sender says under which name and picture a message appears. It needs the bot
// scope chat:write.customize; incoming webhooks of a Slack app ignore it.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.iconURL) && has(self.iconEmoji))",message="set iconURL or iconEmoji, not both"
type Sender struct {
	// username is the name shown beside the message.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=80
	Username string `json:"username,omitempty"`

	// iconURL is the address of the picture shown beside the message. Slack
	// fetches it, so it must be reachable from the internet.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://.+`
	IconURL string `json:"iconURL,omitempty"`

	// iconEmoji is an emoji shown instead of a picture, as in ":rocket:".
	// +optional
	// +kubebuilder:validation:MaxLength=102
	// +kubebuilder:validation:Pattern=`^:[^:\s]+(::skin-tone-[2-6])?:$`
	IconEmoji string `json:"iconEmoji,omitempty"`
}

// SecretKeyReference names one key of a Secret in the namespace of the object
// that refers to it.
type SecretKeyReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// key of the Secret's data that holds the value.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key string `json:"key,omitempty"`
}

// SecretReference names a Secret in the namespace of the object that refers to
// it. Which keys are read is said where it is used.
type SecretReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// Block is a Block Kit block, which is handed to Slack as it was written. Only
// its type is in the schema, because without one Slack refuses the message.
//
// +kubebuilder:pruning:PreserveUnknownFields
type Block struct {
	// type of the block, as in "section".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Type string `json:"type"`

	// Raw is the whole block in JSON.
	Raw []byte `json:"-"`
}

// MarshalJSON returns Raw, or a block of the type and nothing else where Raw is
// empty.
func (b Block) MarshalJSON() ([]byte, error) {
	if len(b.Raw) > 0 {
		return b.Raw, nil
	}
	return json.Marshal(map[string]string{"type": b.Type})
}

// UnmarshalJSON keeps the block in Raw. What is no block at all is kept too, for
// the API server to refuse by the schema.
func (b *Block) UnmarshalJSON(data []byte) error {
	var known struct {
		Type string `json:"type"`
	}
	_ = json.Unmarshal(data, &known) // the schema says what is wrong
	b.Type, b.Raw = known.Type, slices.Clone(data)
	return nil
}

// RawObject is a piece of JSON that is handed to Slack as it is: a legacy
// attachment.
//
// +kubebuilder:validation:Type=object
// +kubebuilder:pruning:PreserveUnknownFields
type RawObject struct {
	runtime.RawExtension `json:",inline"`
}
