package v1alpha1

// TimeInterval is a time for which all that is set holds. Each list holds when one
// of its items does, and one that is left out always holds. A range is written
// with a colon, and includes its end.
//
// +kubebuilder:validation:XValidation:rule="has(self.weekdays) || has(self.times) || has(self.daysOfMonth) || has(self.months) || has(self.years)",message="set at least one of weekdays, times, daysOfMonth, months and years"
type TimeInterval struct {
	// weekdays, as in saturday or monday:friday.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=7
	// +kubebuilder:validation:items:MaxLength=20
	// +kubebuilder:validation:items:Pattern=`^(sunday|monday|tuesday|wednesday|thursday|friday|saturday)(:(sunday|monday|tuesday|wednesday|thursday|friday|saturday))?$`
	Weekdays []string `json:"weekdays,omitempty"`

	// times of the day.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	Times []TimeRange `json:"times,omitempty"`

	// daysOfMonth, as in 1, 1:5, or -3:-1 for the last three.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=31
	// +kubebuilder:validation:items:MaxLength=7
	// +kubebuilder:validation:items:Pattern=`^-?([1-9]|[12][0-9]|3[01])(:-?([1-9]|[12][0-9]|3[01]))?$`
	DaysOfMonth []string `json:"daysOfMonth,omitempty"`

	// months by name or number, as in december, 5:8 or may:august.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=12
	// +kubebuilder:validation:items:MaxLength=20
	// +kubebuilder:validation:items:Pattern=`^(january|february|march|april|may|june|july|august|september|october|november|december|[1-9]|1[0-2])(:(january|february|march|april|may|june|july|august|september|october|november|december|[1-9]|1[0-2]))?$`
	Months []string `json:"months,omitempty"`

	// years, as in 2027 or 2027:2029.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MaxLength=9
	// +kubebuilder:validation:items:Pattern=`^[0-9]{4}(:[0-9]{4})?$`
	Years []string `json:"years,omitempty"`

	// timeZone of all that, as in Europe/Berlin; UTC when left out.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
}

// TimeRange is a time of the day.
//
// +kubebuilder:validation:XValidation:rule="self.from != self.to",message="from and to must differ"
type TimeRange struct {
	// from when, as in 22:00.
	// +required
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:Pattern=`^([01][0-9]|2[0-3]):[0-5][0-9]$`
	From string `json:"from"`

	// to when, exclusive, as in 06:00; of the next day when it is not after from.
	// 24:00 is the end of the day.
	// +required
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:Pattern=`^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$`
	To string `json:"to"`
}
