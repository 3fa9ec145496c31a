"""SIP trunks over UDP: signalling only, the audio flows between carrier and agent."""
